//! A request as the logic reads it.

/// Reads a request's headers.
///
/// Pseudo-headers go by their names `:method`, `:path` and `:authority`; other names are lower-case. An
/// implementation over a host reads the headers when the first is asked for, so that a request whose headers
/// decide nothing costs no host call.
pub trait RequestView {
    /// Every value of the header `name`, as bytes, in the request's order.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]>;

    /// The first value of the header `name`.
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

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
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(move |(known, _)| *known == name)
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
