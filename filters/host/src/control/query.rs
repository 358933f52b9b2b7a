//! What a poll asks for.

/// The path of a poll: what happened after `cursor`, held open for up to `wait_s` seconds while there is nothing.
pub(super) fn events(slot: &str, cursor: Option<u64>, wait_s: u32) -> String {
    let slot = percent_encoded(slot);
    let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
    format!("/v1/proxy/events?slot={slot}{cursor}&wait={wait_s}")
}

/// Everything but unreserved letters (RFC 3986 section 2.3) becomes `%` and two digits.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_names_the_slot_and_the_cursor() {
        for (cursor, path) in [
            (None, "/v1/proxy/events?slot=weir%2Fa%20b%C3%A9&wait=25"),
            (
                Some(7),
                "/v1/proxy/events?slot=weir%2Fa%20b%C3%A9&cursor=7&wait=25",
            ),
        ] {
            assert_eq!(events("weir/a bé", cursor, 25), path);
        }
    }
}
