//! By which names objects varied when they were last seen: a lookup that guesses right needs one round trip.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use weir_policy::cache_tier::Vary;

/// The most objects that are remembered; they vary by something.
const MAX: usize = 8_192;

/// Guesses; a wrong one costs a round trip.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<HashMap<String, Vary>>);

impl Hints {
    /// What to try first.
    pub(crate) fn guess(&self, key: &str) -> Vary {
        self.change(|known| known.get(key).cloned()).unwrap_or_default()
    }

    /// It was found to be so.
    pub(crate) fn learn(&self, key: &str, vary: &Vary) {
        self.change(|known| {
            if vary.as_str().is_empty() {
                known.remove(key);
                return;
            }
            if known.len() >= MAX {
                known.clear();
            }
            known.insert(key.to_owned(), vary.clone());
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Vary>) -> T) -> T {
        // Any state is a valid one.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_they_are_bounded() {
        let (hints, vary) = (Hints::default(), Vary::try_new("accept").unwrap());
        assert_eq!(hints.guess("a"), Vary::default());
        hints.learn("a", &vary);
        assert_eq!(hints.guess("a"), vary);
        hints.learn("a", &Vary::default());
        assert_eq!(hints.guess("a"), Vary::default());
        for number in 0..3 * MAX {
            hints.learn(&number.to_string(), &vary);
        }
        assert!(hints.0.lock().unwrap().len() <= MAX);
    }
}
