//! What second tries would do.

use clap::Parser;
use weir_cli::options::Cli;

use crate::harness::weir;

#[tokio::test]
async fn a_simulation_says_what_hedges_save_and_cost() {
    let line = ["hedge", "simulate", "--scenario", "stragglers", "-o", "json"];
    let run = weir(&line).await;
    assert_eq!(run.code, 0, "{run:?}");
    let rows = run.json();
    let [without, with] = rows.as_array().unwrap().as_slice() else {
        panic!("{rows}");
    };
    assert_eq!(
        (&without["hedges"], &with["hedges"]),
        (&false.into(), &true.into())
    );
    assert_eq!(without["extraPercent"], 0.0);
    let number = |row: &serde_json::Value, name: &str| row[name].as_f64().unwrap();
    assert!(number(with, "p999Ms") * 4.0 < number(without, "p999Ms"), "{rows}");
    assert!(
        number(with, "extraPercent") <= 2.0 + 100.0 * 10.0 / 500.0,
        "{rows}"
    );
    assert_eq!(weir(&line).await.out, run.out);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (arguments, word) in [
        (["--quantile", "1"], "less than 1"),
        (["--quantile", "nan"], "less than 1"),
        (["--percent", "101"], "0 to 100"),
        (["--scenario", "sunny"], "slow-replica"),
    ] {
        let line = [&["weir", "hedge", "simulate"][..], &arguments].concat();
        let said = Cli::try_parse_from(line).unwrap_err().to_string();
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn delays_that_make_no_sense_are_named() {
    for arguments in [["--min-delay", "0s"], ["--max-delay", "1ms"]] {
        let run = weir(&[&["hedge", "simulate"][..], &arguments].concat()).await;
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.err.contains("--max-delay of at least that"), "{run:?}");
    }
}

/// The services of the README's table.
#[tokio::test]
async fn the_readme_has_what_the_simulator_says() {
    let readme = include_str!("../../../../README.md");
    for scenario in ["stragglers", "fast", "pareto", "bimodal"] {
        let rows = weir(&["hedge", "simulate", "--scenario", scenario, "-o", "json"])
            .await
            .json();
        let ms = |row: usize, name: &str| format!("{:.1}", rows[row][name].as_f64().unwrap());
        let cells = [
            ms(0, "p99Ms"),
            ms(0, "p999Ms"),
            ms(1, "p99Ms"),
            ms(1, "p999Ms"),
            format!("{:.2} %", rows[1]["extraPercent"].as_f64().unwrap()),
        ];
        let expected = format!("| {} |", cells.join(" | "));
        assert!(readme.contains(&expected), "{scenario}: {expected}");
    }
}
