//! A table beside the committed one.

use crate::table::Row;

/// How far fuel may be from the committed figure, as a share of it.
///
/// A module's fuel is the same in every run, order and folder, and one toolchain builds the same module anywhere. What
/// this allows is an instruction more or less in a dear request; 42 instructions in a request of 4,000 are 1 %.
pub(crate) const TOLERANCE: f64 = 0.005;

/// What differs, a line each; nothing: the committed table is true.
pub(crate) fn differences(committed: &[Row], measured: &[Row]) -> Vec<String> {
    let named = |rows: &[Row], name: &str| rows.iter().find(|row| row.name == name).cloned();
    let gone = committed
        .iter()
        .filter(|row| named(measured, &row.name).is_none());
    let changed = measured
        .iter()
        .filter_map(|row| match named(committed, &row.name) {
            Some(old) => difference(&old, row),
            None => Some(format!("{}: not in the table; fuel {}", row.name, row.fuel)),
        });
    let gone = gone.map(|row| format!("{}: in the table only", row.name));
    changed.chain(gone).collect()
}

fn difference(old: &Row, new: &Row) -> Option<String> {
    let mut parts = Vec::new();
    let change = change(old.fuel, new.fuel);
    if change.abs() > TOLERANCE {
        parts.push(format!(
            "fuel {} -> {} ({:+.1} %)",
            old.fuel,
            new.fuel,
            change * 100.0
        ));
    }
    if old.host_calls != new.host_calls {
        let (before, after) = (old.by_function(), new.by_function());
        parts.push(format!(
            "host calls {} -> {}: {before} -> {after}",
            old.calls(),
            new.calls()
        ));
    }
    (!parts.is_empty()).then(|| format!("{}: {}", new.name, parts.join("; ")))
}

#[expect(clippy::cast_precision_loss, reason = "fuel is far below 2^52")]
fn change(old: u64, new: u64) -> f64 {
    (new as f64 - old as f64) / old.max(1) as f64
}

fn row(fuel: u64, calls: u64) -> Row {
    Row {
        name: "a".to_owned(),
        fuel,
        host_calls: [("log".to_owned(), calls)].into(),
    }
}

#[test]
fn one_host_call_more_or_fewer_is_a_difference() {
    assert!(differences(&[row(1_000, 3)], &[row(1_000, 3)]).is_empty());
    for calls in [2, 4] {
        assert_eq!(differences(&[row(1_000, 3)], &[row(1_000, calls)]).len(), 1);
    }
}

#[test]
fn fuel_is_a_difference_beyond_the_tolerance_in_either_direction() {
    for (fuel, differ) in [(994, 1), (995, 0), (1_005, 0), (1_006, 1)] {
        assert_eq!(
            differences(&[row(1_000, 3)], &[row(fuel, 3)]).len(),
            differ,
            "{fuel}"
        );
    }
}

#[test]
fn a_row_that_only_one_table_has_is_a_difference() {
    assert_eq!(differences(&[], &[row(1, 1)]).len(), 1);
    assert_eq!(differences(&[row(1, 1)], &[]).len(), 1);
}
