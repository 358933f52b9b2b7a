//! Response times of a span of time, as counts in buckets.

mod bucket;
mod bytes;
mod quantile;

pub use bytes::PaneError;
pub use quantile::Reading;

/// What one request tells about how long a first try takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// There was one try, and its answer took so long.
    Complete {
        /// Nanoseconds.
        took_ns: u64,
    },
    /// The first try took at least `known_ns`: a second one left then (which of them won can't be read), or nobody waited
    /// any longer. The request ended after `took_ns`.
    Censored {
        /// Nanoseconds.
        known_ns: u64,
        /// Nanoseconds.
        took_ns: u64,
    },
}

/// Response times from 64 µs to 67 s, each known to 1.6 %: a log-linear histogram (as HdrHistogram's), sparse.
///
/// What is shorter or longer counts as the shortest or longest. Three counts stand in a bucket, since which try of a hedged
/// request won can't be read: complete times, times that a first try took *at least*, and times after which the requests of
/// the latter ended. [`Pane::quantile`] makes of them what the first try alone would have taken.
///
/// Not for sums or averages: those of a bucket's middle are no better than it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pane {
    /// By bucket, ascending; no entry without a count.
    entries: Vec<Entry>,
    /// Complete and censored samples.
    samples: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    bucket: u16,
    complete: u32,
    censored: u32,
    /// How many of the censored ended here.
    ended: u32,
}

impl Entry {
    const fn is_empty(&self) -> bool {
        self.complete == 0 && self.censored == 0 && self.ended == 0
    }
}

impl Pane {
    /// How many samples it has.
    pub const fn samples(&self) -> u32 {
        self.samples
    }

    /// Whether it has no sample.
    pub const fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Adds a sample. A pane of 2^32 - 1 takes no more.
    pub fn add(&mut self, sample: Sample) {
        let Some(samples) = self.samples.checked_add(1) else {
            return;
        };
        self.samples = samples;
        match sample {
            Sample::Complete { took_ns } => self.entry(bucket::of(took_ns)).complete += 1,
            Sample::Censored { known_ns, took_ns } => {
                self.entry(bucket::of(known_ns)).censored += 1;
                self.entry(bucket::of(took_ns)).ended += 1;
            }
        }
    }

    /// Adds the samples of another pane. Nothing changes where they would be more than 2^32 - 1.
    pub fn merge(&mut self, other: &Self) {
        let Some(samples) = self.samples.checked_add(other.samples) else {
            return;
        };
        self.samples = samples;
        for from in &other.entries {
            let entry = self.entry(from.bucket);
            entry.complete += from.complete;
            entry.censored += from.censored;
            entry.ended += from.ended;
        }
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.samples = 0;
    }

    fn entry(&mut self, bucket: u16) -> &mut Entry {
        let place = self.entries.binary_search_by_key(&bucket, |entry| entry.bucket);
        let place = place.unwrap_or_else(|place| {
            let entry = Entry {
                bucket,
                ..Entry::default()
            };
            self.entries.insert(place, entry);
            place
        });
        // `place` is in bounds: it was found or filled just now.
        #[allow(clippy::indexing_slicing, reason = "found or filled above")]
        &mut self.entries[place]
    }
}
