//! Metrics by the names that Envoy and Prometheus show.

use weir_core::metric::LABELS;

/// What Envoy's own list (`/stats`) writes before the names of filters' metrics.
const ENVOY_PREFIX: &str = "wasmcustom.";

/// The name that the filter gave to a metric: `weir_requests_total.filter.shard-router.outcome.no-rule` for itself, with
/// `wasmcustom.` before it as in Envoy's list, or as Prometheus writes it,
/// `weir_requests_total{filter="shard-router",outcome="no-rule"}`, with all labels in any order. None when it is
/// nothing of these.
pub(crate) fn filters_name(shown: &str) -> Option<String> {
    let Some((name, rest)) = shown.split_once('{') else {
        return Some(shown.strip_prefix(ENVOY_PREFIX).unwrap_or(shown).to_owned());
    };
    let mut labels = Vec::new();
    for label in rest.strip_suffix('}')?.split_terminator(',') {
        let (label, value) = label.trim().split_once('=')?;
        let place = LABELS.iter().position(|known| *known == label)?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        labels.push((place, format!(".{label}.{value}")));
    }
    labels.sort();
    let labels = labels.into_iter().map(|(_, label)| label);
    Some(std::iter::once(name.to_owned()).chain(labels).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_goes_by_every_name_that_is_shown() {
        let expected = "weir_requests_total.filter.shard-router.outcome.forward.map.default_orders.shard.a";
        for shown in [
            expected,
            "wasmcustom.weir_requests_total.filter.shard-router.outcome.forward.map.default_orders.shard.a",
            r#"weir_requests_total{filter="shard-router",outcome="forward",map="default_orders",shard="a"}"#,
            r#"weir_requests_total{shard="a", map="default_orders", outcome="forward", filter="shard-router"}"#,
        ] {
            assert_eq!(filters_name(shown).as_deref(), Some(expected), "{shown}");
        }
        assert_eq!(filters_name("up{}").as_deref(), Some("up"));
    }

    #[test]
    fn what_is_no_name_is_told() {
        for shown in ["a{", "a{filter}", "a{filter=b}", "a{color=\"red\"}"] {
            assert_eq!(filters_name(shown), None, "{shown}");
        }
    }
}
