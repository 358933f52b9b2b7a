//! JUnit's XML, as build servers read it: <https://github.com/testmoapp/junitxml>.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Outcome, Report};

impl Report {
    /// One suite a file, one case a test.
    ///
    /// # Errors
    /// None: memory takes every byte.
    pub fn junit(&self) -> io::Result<String> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let all: Vec<&Outcome> = self.tests.iter().collect();
        let totals = totals("weir test", &all);
        let root = writer
            .create_element("testsuites")
            .with_attributes(pairs(&totals));
        root.write_inner_content(|writer| {
            let mut files = all.chunk_by(|one, other| one.file == other.file);
            files.try_for_each(|tests| suite(writer, tests))
        })?;
        Ok(format!("{}\n", String::from_utf8_lossy(&writer.into_inner())))
    }
}

type Attributes = [(&'static str, String); 4];

fn totals(name: &str, tests: &[&Outcome]) -> Attributes {
    let failures = tests.iter().filter(|test| test.failure.is_some()).count();
    let seconds: f64 = tests.iter().map(|test| test.seconds).sum();
    [
        ("name", clean(name)),
        ("tests", tests.len().to_string()),
        ("failures", failures.to_string()),
        ("time", format!("{seconds:.3}")),
    ]
}

fn pairs(attributes: &Attributes) -> impl Iterator<Item = (&str, &str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str()))
}

fn suite(writer: &mut Writer<Vec<u8>>, tests: &[&Outcome]) -> io::Result<()> {
    let file = tests.first().map_or("", |test| test.file.as_str());
    let totals = totals(file, tests);
    let suite = writer.create_element("testsuite").with_attributes(pairs(&totals));
    suite.write_inner_content(|writer| tests.iter().try_for_each(|test| case(writer, test)))?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, test: &Outcome) -> io::Result<()> {
    let attributes = [
        ("name", clean(&test.name)),
        ("classname", clean(&test.file)),
        ("line", test.line.to_string()),
        ("time", format!("{:.3}", test.seconds)),
    ];
    let case = writer
        .create_element("testcase")
        .with_attributes(pairs(&attributes));
    let Some(failure) = &test.failure else {
        case.write_empty()?;
        return Ok(());
    };
    case.write_inner_content(|writer| {
        let failed = writer.create_element("failure");
        failed
            .with_attribute(("message", clean(&failure.what).as_str()))
            .write_text_content(BytesText::new(&clean(&failure.to_string())))?;
        Ok(())
    })?;
    Ok(())
}

/// XML 1.0 has no form at all for most control characters (section 2.2).
fn clean(text: &str) -> String {
    let unknown = |one: char| {
        one.is_control() && !matches!(one, '\t' | '\n' | '\r') || matches!(one, '\u{fffe}' | '\u{ffff}')
    };
    text.replace(unknown, "\u{fffd}")
}
