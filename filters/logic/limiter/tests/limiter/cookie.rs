//! Keys by a cookie.

use serde_json::json;

use crate::fixture::{Request, Slot};

/// The value of the cookie `id` in these `Cookie` lines.
fn check(lines: &[&[u8]], expected: Option<&str>) {
    let slot = Slot::by(&json!([{"cookie": "id"}]));
    let request = lines
        .iter()
        .fold(Request::new(), |request, line| request.with("cookie", line));
    let key = expected.map(|value| slot.key_of(&[value]).unwrap());
    assert_eq!(slot.key(&request), key, "{request:?}");
}

#[test]
fn a_cookie_is_found_by_its_whole_name() {
    check(&[b"id=7"], Some("7"));
    check(&[b"a=1; id=7; b=2"], Some("7"));
    check(&[b"a=1;id=7"], Some("7"));
    check(&[b"xid=1; id2=2; ID=3; id =4; id"], None);
    check(&[b"a=id=7"], None);
    check(&[b"id=a=b"], Some("a=b"));
    check(&[], None);
    check(&[b""], None);
    check(&[b";;;"], None);
}

#[test]
fn the_first_cookie_of_the_name_counts() {
    check(&[b"id=1; id=2"], Some("1"));
    check(&[b"a=0", b"id=1; a=2", b"id=3"], Some("1"));
}

#[test]
fn quotes_around_a_value_are_no_part_of_it() {
    check(&[b"id=\"7\""], Some("7"));
    check(&[b"id=\"7"], Some("\"7"));
    check(&[b"id=7\""], Some("7\""));
    check(&[b"id=\""], Some("\""));
    check(&[b"id=\"a b\"; x=1"], Some("a b"));
}

#[test]
fn an_empty_value_is_none() {
    check(&[b"id="], None);
    check(&[b"id=\"\""], None);
    // It is the first of its name all the same.
    check(&[b"id=; id=7"], None);
}

#[test]
fn values_are_bytes() {
    check(&[b"a=\xff\xfe; id=\xc3\xa4"], Some("\u{e4}"));
    let slot = Slot::by(&json!([{"cookie": "id"}]));
    let key = |value: &[u8]| {
        slot.key(&Request::new().with("cookie", [b"id=", value].concat()))
            .unwrap()
    };
    assert_ne!(key(b"\xff"), key(b"\xfe"));
    assert_ne!(key(b"\xff"), key("\u{fffd}".as_bytes()));
}
