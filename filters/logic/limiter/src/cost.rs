//! What a request costs.

use weir_policy::document::rate_limit_policy::cost::{Cost as CostSpec, CostHeader};
use weir_policy::problem::Problem;
use weir_route_match::{Matcher, RequestView};

/// What a request costs, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    constant: u64,
    matches: Vec<(Matcher, u64)>,
    request_header: Option<CostHeader>,
    response_header: Option<CostHeader>,
}

impl Cost {
    /// Checks and compiles; the problem's pointer is relative to `spec`.
    pub(crate) fn try_new(spec: &CostSpec) -> Result<Self, Problem> {
        let compile = |(index, cost): (usize, &weir_policy::document::rate_limit_policy::cost::CostMatch)| {
            let matcher = Matcher::try_new(&cost.request_match).map_err(|problem| Problem {
                pointer: format!("/matches/{index}/match{}", problem.pointer),
                ..problem
            })?;
            Ok((matcher, cost.cost))
        };
        Ok(Self {
            constant: spec.constant,
            matches: spec
                .matches
                .iter()
                .enumerate()
                .map(compile)
                .collect::<Result<_, Problem>>()?,
            request_header: spec.request_header.clone(),
            response_header: spec.response_header.clone(),
        })
    }

    /// What `request` costs when it comes.
    pub(crate) fn of(&self, request: &impl RequestView) -> u64 {
        let said = self.request_header.as_ref();
        if let Some(cost) = said.and_then(|header| number(request.header(&header.name)?, header.max)) {
            return cost;
        }
        let matched = self.matches.iter().find(|(matcher, _)| matcher.matches(request));
        matched.map_or(self.constant, |(_, cost)| *cost)
    }

    /// The response header that says what a request has cost after all.
    pub(crate) fn response_header(&self) -> Option<&str> {
        self.response_header.as_ref().map(|header| header.name.as_str())
    }

    /// What a response says that its request has cost.
    pub(crate) fn of_response(&self, value: &[u8]) -> Option<u64> {
        number(value, self.response_header.as_ref()?.max)
    }
}

/// A whole number, at most `max`; one that doesn't fit 64 bits is `max` as well.
fn number(value: &[u8], max: u64) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let parsed = std::str::from_utf8(digits).ok()?.parse::<u64>();
    Some(parsed.unwrap_or(u64::MAX).min(max))
}
