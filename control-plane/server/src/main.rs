//! The weir binary: wires store, xDS and REST together.

fn main() {}
