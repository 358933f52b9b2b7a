//! What the README shows is so.

use crate::fixture::{Fixture, modules, sample};
use weir_policy_test::Suite;

const README: &str = include_str!("../../README.md");

/// The first block of a language.
fn block(language: &str) -> &'static str {
    let after = README.split_once(&format!("```{language}\n")).unwrap().1;
    after.split_once("```").unwrap().0
}

/// The sample's documents as the README has them: all in `orders.yaml` beside the test file.
fn run(documents: &[&str], test_file: &str) -> String {
    let fixture = Fixture::new(test_file);
    let read = |name: &&str| std::fs::read_to_string(sample().join(name)).unwrap();
    let documents: Vec<String> = documents.iter().map(read).collect();
    fixture.write("policy-tests/orders.yaml", &documents.join("---\n"));
    let suite = Suite::load(&[fixture.at("policy-tests/t.yaml")]).unwrap_or_else(|error| panic!("{error}"));
    let summary = suite.run(&modules(), &mut |_| ()).summary();
    fixture.without_folder(&summary).replace("t.yaml", "orders.yaml")
}

#[test]
fn the_example_passes() {
    let documents = ["gateway.yaml", "backends.yaml", "orders.yaml"];
    assert_eq!(run(&documents, block("yaml")), "2 passed, 0 failed\n");
    assert!(block("yaml").lines().count() <= 12);
}

#[test]
fn a_failure_reads_as_shown() {
    let documents = ["gateway.yaml", "backends.yaml", "orders.yaml"];
    let first = block("yaml").split_once("  - name: nobody").unwrap().0;
    let keyless = first.replace("        expect", "        # no key at all\n        expect");
    let summary = run(&documents, &keyless.replace("x-user-id: alice", "x-user: alice"));
    assert_eq!(
        summary,
        block("text").replace("x-user-id: alice,", "x-user: alice,")
    );
}
