//! Percent-encoding of what stands within one segment of a path or one value of a query.

/// Everything but unreserved letters (RFC 3986 section 2.3) becomes `%` and two digits.
pub fn percent_encoded(text: &str) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let letter = |byte: u8| match is_unreserved(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}
