//! The simulator's tables by which the defaults were chosen: quantiles, shortest delays, budgets.

use weir_hedge::budget::Budget;
use weir_hedge::policy::Policy;
use weir_hedge::simulate::{Hedging, Latency, Scenario, markdown, rows};

/// The same services, ten times as slow: how late Envoy is counts for nothing.
fn slow() -> [Scenario; 2] {
    let slow = Scenario {
        name: "50 ms, 1 % stragglers",
        latency: Latency::Stragglers {
            median_ms: 50.0,
            sigma: 0.4,
            part: 0.01,
            least_ms: 600.0,
        },
        ..Scenario::stragglers()
    };
    let busy = Scenario {
        name: "50 ms, 1 % stragglers, 2,000 a second",
        per_second: 2_000.0,
        ..slow.clone()
    };
    [slow, busy]
}

fn print(title: &str, scenarios: &[Scenario], policy: Policy, budget: Budget) {
    let rows = rows(scenarios, Hedging { policy, budget });
    println!("{title}\n\n{}", markdown(&rows));
}

fn main() {
    let all = [Scenario::all(), slow().to_vec()].concat();
    for quantile_parts in [950_000, 970_000, 980_000, 990_000] {
        let policy = Policy {
            quantile_parts,
            ..Policy::default()
        };
        print(
            &format!("Quantile {quantile_parts}"),
            &all,
            policy,
            Budget::default(),
        );
    }
    for min_delay_ms in [1, 2, 5, 10] {
        let policy = Policy {
            min_delay_ms,
            ..Policy::default()
        };
        print(
            &format!("At least {min_delay_ms} ms"),
            &[Scenario::fast()],
            policy,
            Budget::default(),
        );
    }
    for (parts, min) in [(20_000, 50), (300_000, 100)] {
        let title = format!("Budget {parts} and {min} a second");
        print(&title, &all, Policy::default(), Budget::new(parts, min));
    }
}
