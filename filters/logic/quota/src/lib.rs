//! Quotas.
mod bucket; mod concurrency; mod rate; mod share; mod state; pub mod tree; mod window;
pub use bucket::{Bucket, Layout, Put};
pub use concurrency::Concurrency;
pub use rate::Rate;
pub use share::ShareRecord;
pub use state::{QuotaError, State, Verdict};
pub use window::SlidingWindow;
