//! Reports as programs read them.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use weir_policy_test::{Failure, Mismatch, Outcome, Report};

fn outcome(file: &str, name: &str, failure: Option<Failure>) -> Outcome {
    Outcome {
        name: name.to_owned(),
        file: file.to_owned(),
        line: 3,
        seconds: 0.25,
        failure,
    }
}

fn failure() -> Failure {
    Failure {
        file: "a.yaml".to_owned(),
        line: 5,
        column: 9,
        step: 1,
        what: "GET /?a=1&b=<2> at 0ms".to_owned(),
        mismatches: vec![Mismatch {
            field: "body".to_owned(),
            expected: "\"<a href='x'>\"".to_owned(),
            got: "one\ntwo \u{0} ]]>".to_owned(),
        }],
    }
}

fn report() -> Report {
    Report {
        tests: vec![
            outcome("a.yaml", "plain", None),
            outcome("a.yaml", "<odd> & \"#1\" \\ \u{7}", Some(failure())),
            outcome("b.yaml", "other", None),
        ],
    }
}

/// Every element as `name attribute=value …`, and every text.
fn parsed(xml: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let mut line = element.name().as_ref().to_owned();
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap();
                    let name = attribute.key.as_ref().to_owned();
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap();
                    line.push_str(&format!(" {name}={value}"));
                }
                found.push(line);
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn junit_is_read_back() {
    let xml = report().junit().unwrap();
    let expected = [
        "testsuites name=weir test tests=3 failures=1 time=0.750",
        "testsuite name=a.yaml tests=2 failures=1 time=0.500",
        "testcase name=plain classname=a.yaml line=3 time=0.250",
        "testcase name=<odd> & \"#1\" \\ \u{fffd} classname=a.yaml line=3 time=0.250",
        "failure message=GET /?a=1&b=<2> at 0ms",
        "testsuite name=b.yaml tests=1 failures=0 time=0.250",
        "testcase name=other classname=b.yaml line=3 time=0.250",
    ];
    assert_eq!(parsed(&xml), expected);
    assert!(xml.contains("two \u{fffd} ]]&gt;"), "{xml}");
}

#[test]
fn tap_has_its_plan_and_a_point_a_test() {
    let expected = r##"TAP version 14
1..3
ok 1 - a.yaml: plain
not ok 2 - a.yaml: <odd> & "\#1" \\ �
  ---
  message: "GET /?a=1&b=<2> at 0ms"
  at: {"column":9,"file":"a.yaml","line":5}
  step: 1
  mismatches: [{"expected":"\"<a href='x'>\"","field":"body","got":"one\ntwo \u0000 ]]>"}]
  ...
ok 3 - b.yaml: other
"##;
    assert_eq!(report().tap().replace('\u{7}', "\u{fffd}"), expected);
}

#[test]
fn people_read_failures_then_the_count() {
    let expected = "\
FAILED <odd> & \"#1\" \\ \u{7}
a.yaml:5:9: step 1: GET /?a=1&b=<2> at 0ms
  body
    expected \"<a href='x'>\"
    got      one
             two \u{0} ]]>

2 passed, 1 failed
";
    assert_eq!(report().summary(), expected);
}
