//! The paths of the tier's resources. Namespaces and policies are names and need no escape; keys are hexadecimal.

/// Where an object is looked up.
pub fn lookup_path(namespace: &str, policy: &str, key: &str, wait_ms: u32, refresh: bool) -> String {
    let mut path = joined("/v1/lookup/", namespace, policy, key);
    path.push_str("?wait_ms=");
    path.push_str(&wait_ms.to_string());
    if refresh {
        path.push_str("&refresh=true");
    }
    path
}

/// Where an object is put and deleted.
pub fn object_path(namespace: &str, policy: &str, key: &str) -> String {
    joined("/v1/objects/", namespace, policy, key)
}

/// Where a lease is given back. `hit_for_miss_ms`: how long to remember that the answer can't be stored; 0: not at all.
pub fn release_path(namespace: &str, policy: &str, key: &str, hit_for_miss_ms: u64) -> String {
    let mut path = joined("/v1/release/", namespace, policy, key);
    path.push_str("?hit_for_miss_ms=");
    path.push_str(&hit_for_miss_ms.to_string());
    path
}

fn joined(before: &str, namespace: &str, policy: &str, key: &str) -> String {
    [before, namespace, "/", policy, "/", key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_documented() {
        assert_eq!(
            lookup_path("default", "shop", "ab12", 50, false),
            "/v1/lookup/default/shop/ab12?wait_ms=50"
        );
        assert_eq!(
            lookup_path("default", "shop", "ab12", 0, true),
            "/v1/lookup/default/shop/ab12?wait_ms=0&refresh=true"
        );
        assert_eq!(object_path("a", "b", "c"), "/v1/objects/a/b/c");
        assert_eq!(
            release_path("a", "b", "c", 9),
            "/v1/release/a/b/c?hit_for_miss_ms=9"
        );
    }
}
