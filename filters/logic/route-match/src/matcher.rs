//! One set of conditions, compiled.

use weir_policy::matching::{HeaderMatch, RequestMatch};
use weir_policy::problem::{Problem, Problems};

use crate::host::HostPattern;
use crate::path::PathPattern;
use crate::view::{RequestView, path_of};

/// A [`RequestMatch`], compiled. Conditions on the path are looked at first, those on headers last.
///
/// A header that stands several times matches if one of its values does, as in Envoy since 1.39
/// (`envoy.reloadable_features.match_headers_individually`). Envoy itself joins repeats of some well-known headers by commas
/// as they arrive; such a one has one value here as well.
#[derive(Clone, Debug)]
pub struct Matcher {
    path: Option<PathPattern>,
    host: Option<HostPattern>,
    methods: Vec<Box<[u8]>>,
    headers: Vec<HeaderMatch>,
}

impl Matcher {
    /// Checks and compiles `conditions`; the problem's pointer is relative to them.
    pub fn try_new(conditions: &RequestMatch) -> Result<Self, Problem> {
        let mut problems = Problems::default();
        conditions.check(&mut problems);
        if let Some(problem) = problems.into_vec().into_iter().next() {
            return Err(problem);
        }
        let path = conditions.path.as_ref().map(PathPattern::try_new).transpose();
        Ok(Self {
            path: path.map_err(|detail| Problem::new("invalid_path", "/path/value", detail))?,
            host: conditions.host.as_deref().map(HostPattern::new),
            methods: conditions
                .methods
                .iter()
                .map(|method| method.as_bytes().into())
                .collect(),
            headers: conditions.headers.clone(),
        })
    }

    /// Whether all conditions hold.
    pub fn matches(&self, request: &(impl RequestView + ?Sized)) -> bool {
        self.matches_path(request)
            && self.matches_method(request)
            && self.matches_host(request)
            && self.headers.iter().all(|header| matches_header(header, request))
    }

    fn matches_path(&self, request: &(impl RequestView + ?Sized)) -> bool {
        let Some(pattern) = &self.path else {
            return true;
        };
        request
            .target()
            .is_some_and(|target| pattern.matches(path_of(target)))
    }

    fn matches_method(&self, request: &(impl RequestView + ?Sized)) -> bool {
        if self.methods.is_empty() {
            return true;
        }
        let method = request.method();
        method.is_some_and(|method| self.methods.iter().any(|known| **known == *method))
    }

    fn matches_host(&self, request: &(impl RequestView + ?Sized)) -> bool {
        let Some(pattern) = &self.host else {
            return true;
        };
        request
            .authority()
            .is_some_and(|authority| pattern.matches(authority))
    }
}

fn matches_header(header: &HeaderMatch, request: &(impl RequestView + ?Sized)) -> bool {
    let mut values = request.values(&header.name);
    match &header.value {
        Some(expected) => values.any(|value| *value == *expected.as_bytes()),
        None => values.next().is_some(),
    }
}
