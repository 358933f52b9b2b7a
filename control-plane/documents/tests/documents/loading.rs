//! What is read, what is refused, and how a refusal reads.

use std::fs;
use std::path::PathBuf;

use weir_documents::{LoadErrors, load, values};

fn error_of(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    fs::write(&file, text).unwrap();
    let LoadErrors(errors) = load(&[file]).expect_err(text);
    assert_eq!(errors.len(), 1);
    errors[0].to_string().rsplit_once('/').unwrap().1.to_owned()
}

#[test]
fn malformed_text_is_named_with_its_place() {
    assert!(
        error_of("a: 1\nb: [1, 2\nc: 3\n").starts_with("bad.yaml:3:"),
        "{}",
        error_of("a: 1\nb: [1, 2\nc: 3\n")
    );
    assert!(
        error_of("{\"a\": 1,,}").starts_with("bad.yaml:1:9: "),
        "{}",
        error_of("{\"a\": 1,,}")
    );
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let error = error_of("a:\n  b: 1\n  b: 2\n");
    assert!(
        error.starts_with("bad.yaml:3:3: ") && error.contains("duplicate"),
        "{error}"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let error = error_of(&text);
    assert!(error.contains("too large or too complex"), "{error}");
}

#[test]
fn nesting_is_bounded() {
    let error = error_of(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)));
    assert!(error.starts_with("bad.yaml:1:"), "{error}");
}

#[test]
fn words_of_yaml_1_1_are_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("words.yaml");
    fs::write(&file, "a: no\nb: on\nc: true\n").unwrap();
    assert_eq!(
        values(&load(&[file]).unwrap())[0],
        serde_json::json!({"a": "no", "b": "on", "c": true})
    );
}

#[test]
fn a_folder_is_its_documents_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("b.yaml"), "n: 2\n---\nn: 3\n").unwrap();
    fs::write(at("a.json"), "{\"n\": 1}").unwrap();
    fs::write(at("c.yml"), "n: 4").unwrap();
    fs::write(at("notes.txt"), "not: [a document").unwrap();
    fs::create_dir(at("d.yaml")).unwrap();
    let loaded = load(&[folder.path().to_owned(), at("a.json")]).unwrap();
    let numbers: Vec<_> = loaded
        .iter()
        .map(|document| document.value["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(loaded[2].source.index, 1);
}

#[test]
fn everything_unreadable_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.yaml");
    fs::write(&empty, "# nothing\n").unwrap();
    let paths: Vec<PathBuf> = vec![
        folder.path().join("missing.yaml"),
        empty,
        folder.path().join("empty"),
    ];
    fs::create_dir(&paths[2]).unwrap();
    let LoadErrors(errors) = load(&paths).unwrap_err();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 3, "{text:?}");
    assert!(
        text.iter()
            .any(|line| line.contains("missing.yaml: cannot read: ")),
        "{text:?}"
    );
    assert!(
        text.iter()
            .any(|line| line.ends_with("empty.yaml: holds no document")),
        "{text:?}"
    );
    assert!(
        text.iter()
            .any(|line| line.ends_with("empty: holds no *.yaml, *.yml or *.json file")),
        "{text:?}"
    );
}
