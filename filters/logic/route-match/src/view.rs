//! A request as the logic reads it.

/// Reads a request's headers.
///
/// Pseudo-headers go by their names `:method`, `:path` and `:authority`; other names are lower-case. A header
/// that stands several times yields its first value. An implementation over a host reads a header when it is
/// asked for and keeps it, so that asking twice costs one host call.
pub trait RequestView {
    /// The value of the header `name`, as bytes.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// The method.
    fn method(&self) -> Option<&[u8]> {
        self.header(":method")
    }

    /// The path with its query; absent in CONNECT.
    fn target(&self) -> Option<&[u8]> {
        self.header(":path")
    }

    /// Host and port.
    fn authority(&self) -> Option<&[u8]> {
        self.header(":authority")
    }
}

/// A request whose headers are all at hand.
impl RequestView for [(&str, &[u8])] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

/// The path of a request target, without query and fragment.
pub fn path_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
    end.and_then(|end| target.get(..end)).unwrap_or(target)
}

/// The query of a request target, without `?` and fragment.
pub fn query_of(target: &[u8]) -> Option<&[u8]> {
    let end = target
        .iter()
        .position(|byte| *byte == b'#')
        .unwrap_or(target.len());
    let target = target.get(..end)?;
    let start = target.iter().position(|byte| *byte == b'?')?;
    target.get(start + 1..)
}
