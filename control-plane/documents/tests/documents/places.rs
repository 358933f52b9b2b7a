//! Problems are shown where they stand: whatever a file looks like, a JSON pointer leads to its value's place.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use weir_core::refusal::DocumentProblem;
use weir_documents::{self as load, LoadedDocument};
use weir_policy::problem::{Problem, escape};

/// Writes YAML and notes where each value starts: knows nothing of parsers.
#[derive(Default)]
struct Writer {
    text: String,
    places: BTreeMap<String, (usize, usize)>,
    /// Choices of layout, used up one by one.
    layout: Vec<u8>,
}

impl Writer {
    fn choose<T, const N: usize>(&mut self, options: [T; N]) -> T {
        let choice = usize::from(self.layout.pop().unwrap_or(0)) % N;
        options.into_iter().nth(choice).unwrap()
    }

    fn write_one_of<const N: usize>(&mut self, options: [&str; N]) {
        let chosen = self.choose(options);
        self.text.push_str(chosen);
    }

    fn here(&self) -> (usize, usize) {
        let line = self.text.matches('\n').count() + 1;
        let column = self.text.rsplit('\n').next().unwrap().chars().count() + 1;
        (line, column)
    }

    fn note(&mut self, pointer: &str) {
        self.places.insert(pointer.to_owned(), self.here());
    }

    fn line_break(&mut self, indent: usize) {
        self.write_one_of(["\n", "\n\n", " # é comment\n", "\n# comment: [x\n"]);
        self.text.push_str(&" ".repeat(indent));
    }

    /// A value after `key:` or `-`, in block style where it can be.
    fn value(&mut self, value: &Value, pointer: &str, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() && self.choose([true, true, false]) => {
                self.line_break(indent);
                self.mapping(fields, pointer, indent);
            }
            Value::Array(items) if !items.is_empty() && self.choose([true, true, false]) => {
                self.line_break(indent);
                self.sequence(items, pointer, indent);
            }
            _ => {
                self.write_one_of([" ", "  "]);
                self.flow(value, pointer);
            }
        }
    }

    fn mapping(&mut self, fields: &Map<String, Value>, pointer: &str, indent: usize) {
        self.note(pointer);
        for (index, (key, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.line_break(indent);
            }
            self.text.push_str(&format!("{}:", json!(key)));
            self.value(value, &format!("{pointer}/{}", escape(key)), indent + 2);
        }
    }

    fn sequence(&mut self, items: &[Value], pointer: &str, indent: usize) {
        self.note(pointer);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.line_break(indent);
            }
            self.text.push('-');
            self.value(item, &format!("{pointer}/{index}"), indent + 2);
        }
    }

    /// JSON on one line.
    fn flow(&mut self, value: &Value, pointer: &str) {
        self.note(pointer);
        match value {
            Value::Object(fields) => {
                self.text.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    self.text.push_str(if index > 0 { ", " } else { "" });
                    self.text.push_str(&format!("{}: ", json!(key)));
                    self.flow(value, &format!("{pointer}/{}", escape(key)));
                }
                self.text.push('}');
            }
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.text.push_str(if index > 0 { "," } else { "" });
                    self.flow(item, &format!("{pointer}/{index}"));
                }
                self.text.push(']');
            }
            scalar => self.text.push_str(&scalar.to_string()),
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[ -~]{0,8}", "[a-zäß€😀/~\"\\\\\n\t:#-]{0,6}"]
}

fn documents() -> impl Strategy<Value = Vec<Value>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| Value::from(number)),
        text().prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    });
    prop::collection::vec(
        value.prop_filter("an empty document is none", |value| !value.is_null()),
        1..4,
    )
}

fn load_text(name: &str, text: &str) -> Vec<LoadedDocument> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    load::load(&[file]).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn place_of(pointer: &str, document: usize, loaded: &[LoadedDocument]) -> (usize, usize) {
    let problem = DocumentProblem {
        document,
        identity: None,
        problem: Problem::new("test", pointer, "test"),
    };
    let located = load::locate(&[problem], loaded);
    (located[0].line.unwrap(), located[0].column.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_pointer_leads_to_its_value(
        values in documents(),
        layout in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut writer = Writer { layout, ..Writer::default() };
        let mut places = Vec::new();
        for value in &values {
            // Empty documents between the others don't count.
            writer.write_one_of(["---", "# none\n---\n~\n---", "---\n---"]);
            writer.value(value, "", 0);
            writer.text.push('\n');
            places.push(std::mem::take(&mut writer.places));
        }
        let loaded = load_text("generated.yaml", &writer.text);
        let read: Vec<Value> = load::values(&loaded);
        prop_assert_eq!(read, values);
        for (document, places) in places.iter().enumerate() {
            for (pointer, place) in places {
                prop_assert_eq!(place_of(pointer, document, &loaded), *place, "{} in\n{}", pointer, &writer.text);
            }
        }
    }

    #[test]
    fn json_reads_as_json(value in documents().prop_map(|mut values| values.swap_remove(0))) {
        let tabs = serde_json::to_string_pretty(&value).unwrap().replace("  ", "\t");
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap(), tabs] {
            // Tabs inside of strings would not be the same value.
            if serde_json::from_str::<Value>(&text).is_ok_and(|read| read == value) {
                prop_assert_eq!(&load_text("generated.json", &text)[0].value, &value, "{}", text);
            }
        }
    }
}

#[test]
fn escapes_of_json_are_read() {
    let text = r#"{"a": "\ud83d\ude00 \/ \u0000 \b\f\n\r\t\"\\"}"#;
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(load_text("escapes.json", text)[0].value, expected);
}

#[test]
fn what_has_no_place_is_shown_where_it_would_stand() {
    let text = "metadata:\n  name: a\nshared: &shared\n  deep: [1]\nuse: *shared\n";
    let loaded = load_text("missing.yaml", text);
    assert_eq!(place_of("/metadata/namespace", 0, &loaded), (2, 3));
    assert_eq!(place_of("/use/deep/0", 0, &loaded), (5, 6));
    assert_eq!(place_of("/nowhere/at/all", 0, &loaded), (1, 1));
}

#[test]
fn a_problem_is_one_line() {
    let text = "a: 1\nspec:\n  shards:\n    - name: b\n    - name: b\n";
    let loaded = load_text("orders.yaml", text);
    let problem = Problem::new("duplicate_shard", "/spec/shards/1/name", "duplicate shard \"b\"");
    let line = load::describe(
        &[DocumentProblem {
            document: 0,
            identity: None,
            problem,
        }],
        &loaded,
    );
    assert!(
        line.ends_with("orders.yaml:5:13: /spec/shards/1/name: duplicate shard \"b\""),
        "{line}"
    );
}
