//! Names of cookies.

use crate::matching::is_token;
use crate::problem::Problems;

/// The longest name of a cookie, bytes.
const MAX_NAME: usize = 256;

/// A cookie's name is a token (RFC 6265 section 4.1.1).
pub(super) fn check_cookie_name(name: &str, problems: &mut Problems) {
    if name.len() > MAX_NAME || !is_token(name) {
        problems.note(
            "invalid_cookie_name",
            format!("{name:?} is not a cookie's name (RFC 6265 section 4.1.1)"),
        );
    }
}
