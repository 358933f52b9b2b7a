//! How a key finds its shard: key sources, ring, placement.
