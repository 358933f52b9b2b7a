//! What an unsafe request makes out of date (RFC 9111 section 4.4).

use crate::headers::Headers;
use crate::request::CacheRequest;
use crate::rules::CacheRules;
use crate::url::same_origin;

impl CacheRules {
    /// The URLs, in canonical form, whose stored responses the answer to an unsafe request makes out of date: the
    /// request's own, those of `Location` and `Content-Location` if they have its origin; none after an error.
    pub fn invalidated(&self, request: &CacheRequest, status: u16, headers: &Headers) -> Vec<Vec<u8>> {
        if !(200..400).contains(&status) {
            return Vec::new();
        }
        let mut urls = vec![request.url()];
        let references = ["location", "content-location"]
            .into_iter()
            .flat_map(|name| headers.values(name));
        for reference in references {
            let url = same_origin(request.base(), reference, self.query());
            if let Some(url) = url.filter(|url| !urls.contains(url)) {
                urls.push(url);
            }
        }
        urls
    }
}
