fn main() {
    use weir_hedge::{budget::Budget, policy::Policy, simulate::*};
    for (q, p, m) in [
        (950_000, 20_000, 10),
        (950_000, 20_000, 50),
        (950_000, 50_000, 10),
        (980_000, 20_000, 10),
        (990_000, 20_000, 10),
        (950_000, 300_000, 100),
    ] {
        println!("q {q} budget {p} min {m}");
        let h = Hedging {
            policy: Policy {
                quantile_parts: q,
                ..Policy::default()
            },
            budget: Budget::new(p, m),
        };
        println!("{}", markdown(&rows(&Scenario::all(), h)));
    }
}
