//! How what is stored is written: numbers are little-endian, texts stand after their length.

/// Writes one entry.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(mark: &[u8; 4]) -> Self {
        Self(mark.to_vec())
    }

    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn list(&mut self, texts: &[Vec<u8>]) {
        self.u64(texts.len() as u64);
        for text in texts {
            self.bytes(text);
        }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads one entry; None where the bytes are not one.
pub(crate) struct Reader<'b> {
    whole: usize,
    left: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8], mark: &[u8; 4]) -> Option<Self> {
        Some(Self {
            whole: bytes.len(),
            left: bytes.strip_prefix(mark)?,
        })
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (value, left) = self.left.split_first()?;
        self.left = left;
        Some(*value)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (value, left) = self.left.split_first_chunk()?;
        self.left = left;
        Some(u64::from_le_bytes(*value))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'b [u8]> {
        let (length, left) = self.left.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (bytes, left) = left.split_at_checked(length)?;
        self.left = left;
        Some(bytes)
    }

    /// A damaged count ends the reading where the bytes end, before anything of that size is made.
    pub(crate) fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        (0..self.u64()?)
            .map(|_| self.bytes().map(<[u8]>::to_vec))
            .collect()
    }

    /// Where what is not read yet begins.
    pub(crate) fn position(&self) -> usize {
        self.whole - self.left.len()
    }
}
