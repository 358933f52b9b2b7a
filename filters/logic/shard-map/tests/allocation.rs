//! A lookup allocates nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(
    unsafe_code,
    reason = "counting allocations takes a global allocator, whose trait is unsafe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use weir_shard_map::Ring;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn a_lookup_allocates_nothing() {
    let shards: Vec<(String, u32)> = (0..100).map(|shard| (format!("shard-{shard}"), 2)).collect();
    let ring = Ring::try_new(&shards).unwrap();
    let keys: Vec<String> = (0..1_000).map(|key| "k".repeat(key)).collect();
    assert!(allocations(|| drop(std::hint::black_box(vec![0_u8; 8]))) > 0);
    let mut owners = 0;
    let found = allocations(|| owners = keys.iter().map(|key| ring.owner(key.as_bytes())).sum());
    assert_eq!(found, 0);
    assert!(owners > 0);
}
