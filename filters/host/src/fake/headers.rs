//! A header map.

use crate::pairs;

/// Names and values in order. Names come lower-case.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    pub(super) fn new(headers: &[(&str, &[u8])]) -> Self {
        let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
        Self(headers.iter().map(owned).collect())
    }

    /// As the ABI lays them out.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        pairs::write(&self.0)
    }

    pub(super) fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let values = self.0.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_vec()));
    }

    pub(super) fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}
