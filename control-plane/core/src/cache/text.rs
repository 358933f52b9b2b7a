//! Tags, URLs and prefixes, as people and programs send them.

/// The longest tag, URL or prefix, bytes.
pub const MAX_TEXT: usize = 2 << 10;

/// A tag; it stands between spaces or commas in a response header.
pub(super) fn tag(text: &str) -> Result<String, String> {
    let fits = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != ',';
    check_length(text)?;
    if !text.chars().all(fits) {
        return Err(format!(
            "{text:?}: a tag has no spaces, commas or control characters"
        ));
    }
    Ok(text.to_owned())
}

/// A URL as caches know it: without its scheme, which may have been sent with it, and without that scheme's default port, the
/// host in lower case, nothing escaped that needn't be.
pub(super) fn url(text: &str) -> Result<String, String> {
    check_length(text)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err(format!(
            "{text:?}: expected visible ASCII characters, percent-encoded where need be, and no fragment"
        ));
    }
    let url = weir_http_cache::url_of(text).and_then(|url| String::from_utf8(url).ok());
    let names_a_user = |url: &String| url.split('/').next().is_some_and(|host| host.contains('@'));
    url.filter(|url| !names_a_user(url))
        .ok_or_else(|| format!("{text:?}: expected a host and a path, like \"shop.example/products?page=2\""))
}

/// The beginning of URLs, in the same form. A host without a path is the whole host.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    url(text)
}

fn check_length(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(format!("{} bytes: expected 1 to {MAX_TEXT}", text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_in_lower_case_and_a_path() {
        for (sent, kept) in [
            ("Shop.Example/Products?Page=2", "shop.example/Products?Page=2"),
            ("https://shop.example:8443/a//b", "shop.example:8443/a//b"),
            ("http://shop.example", "shop.example/"),
            ("shop.example?a=/b", "shop.example/?a=/b"),
            ("[::1]:8080/", "[::1]:8080/"),
            ("https://shop.example:443/%7ea%2f", "shop.example/~a%2F"),
            ("shop.example:80/?b&a", "shop.example/?b&a"),
        ] {
            assert_eq!(url(sent).as_deref(), Ok(kept));
            assert_eq!(prefix(sent).as_deref(), Ok(kept));
            assert_eq!(url(kept).as_deref(), Ok(kept));
        }
        assert_eq!(url("http://shop.example:443").as_deref(), Ok("shop.example:443/"));
        for bad in [
            "",
            "/a",
            "https://",
            "https:///a",
            "?a",
            "a b/",
            "a/\u{e9}",
            "a/#b",
            "u:p@a/",
            "ftp://a/",
            "a/\n",
        ] {
            assert!(url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tag_can_stand_in_a_list() {
        for good in ["entity:456", "a/b", "é", &"x".repeat(MAX_TEXT)] {
            assert_eq!(tag(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "a b",
            "a,b",
            "a\t",
            "a\u{a0}b",
            "\u{7f}",
            &"x".repeat(MAX_TEXT + 1),
        ] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
    }
}
