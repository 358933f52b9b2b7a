//! A sharded backend to try Weir with: one process, many replicas.

fn main() {}
