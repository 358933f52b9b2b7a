//! Prints which part of generated traces caches answer: least recently used, quick_cache, and the store.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what it shares with tests"
)]

#[path = "../tests/store/traces.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod traces;
#[path = "../tests/store/world.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod world;

use traces::{Bound, Lru, Own, Quick, hit_rate, traces};

fn main() {
    for (title, capacity, bound) in [
        ("1,000 objects", 1_000, Bound::Objects(1_000)),
        ("4,000 objects", 4_000, Bound::Objects(4_000)),
        ("16,000 objects", 16_000, Bound::Objects(16_000)),
        ("8 MiB of objects of 0.4 to 100 KB", 4_000, Bound::Bytes(8 << 20)),
    ] {
        println!("{title:34} {:>8} {:>11} {:>7}", "lru", "quick_cache", "store");
        for trace in traces(1_000_000, capacity) {
            let lru = hit_rate(Lru::new(bound), &trace.keys);
            let quick = hit_rate(Quick::new(bound), &trace.keys);
            let own = hit_rate(Own::new(bound), &trace.keys);
            println!("{:34} {lru:8.1} {quick:11.1} {own:7.1}", trace.name);
        }
    }
}
