//! How much a store keeps, of all workers.

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of all objects, and what keeping them costs.
    pub bytes: u64,
    /// How many objects.
    pub objects: u64,
}

impl Totals {
    /// Reads totals; none if the bytes are none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        match (words, rest) {
            ([bytes, objects], []) => Some(Self {
                bytes: u64::from_le_bytes(*bytes),
                objects: u64::from_le_bytes(*objects),
            }),
            _ => None,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.objects) << 64 | u128::from(self.bytes)).to_le_bytes()
    }

    pub(crate) fn add(&mut self, size: u32) {
        self.bytes = self.bytes.saturating_add(size.into());
        self.objects = self.objects.saturating_add(1);
    }

    pub(crate) fn remove(&mut self, size: u32) {
        self.bytes = self.bytes.saturating_sub(size.into());
        self.objects = self.objects.saturating_sub(1);
    }
}
