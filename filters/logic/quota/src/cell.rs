//! Cells: what a limit remembers of one key, and what it says to the next request.

mod concurrency;
mod gcra;
mod rate;
mod sliding_window;
mod verdict;

pub use concurrency::Concurrency;
pub use gcra::Gcra;
pub use rate::{MAX_WINDOW_NS, MIN_WINDOW_NS, Rate, RateError};
pub use sliding_window::{SlidingWindow, WindowError};
pub use verdict::Verdict;

/// What is remembered of one key: 16 bytes. What `word` means is the cell's own matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// When this state says no more than an absent one, Unix nanoseconds.
    pub expires: u64,
    /// The rest of the state.
    pub word: u64,
}
