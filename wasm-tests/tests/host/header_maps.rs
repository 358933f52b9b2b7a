//! Header maps, as Envoy answers.

use proptest::prelude::*;
use weir_wasm_tests::{HeaderMap, Request, Status};

use crate::probe::{callback, headers_after, on_request, said, serving};

fn three() -> Request {
    Request::get("/")
        .header("x-a", "1")
        .header("x-b", "2")
        .header("X-A", "3")
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.values(name);
    values.map(|value| value.escape_ascii().to_string()).collect()
}

#[test]
fn get_answers_the_first_value_and_not_found() {
    let not_found = Status::NotFound as u32;
    let (process, plugin) = serving(&on_request(&format!(
        "(call $ok (call $proxy_get_header_map_value (i32.const 0) 'X-A' (i32.const 16) (i32.const 20)))
         (call $say_value)
         (call $expect (call $proxy_get_header_map_value (i32.const 0) 'x-c' (i32.const 16) (i32.const 20)) (i32.const {not_found}))"
    )));
    plugin.worker(0).request(three()).unwrap();
    assert_eq!(said(&process), ["1"]);
}

#[test]
fn replace_collapses_all_values_into_one() {
    let headers = headers_after(
        "(call $ok (call $proxy_replace_header_map_value (i32.const 0) 'x-a' 'new'))",
        three(),
    );
    assert_eq!(values(&headers, "x-a"), ["new"]);
    assert_eq!(values(&headers, "x-b"), ["2"]);
}

#[test]
fn add_appends_and_remove_takes_all() {
    let headers = headers_after(
        "(call $ok (call $proxy_add_header_map_value (i32.const 0) 'x-b' 'more'))
         (call $ok (call $proxy_remove_header_map_value (i32.const 0) 'X-a'))",
        three(),
    );
    assert_eq!(values(&headers, "x-b"), ["2", "more"]);
    assert_eq!(values(&headers, "x-a"), [""; 0]);
}

#[test]
fn size_is_bytes_as_in_envoy() {
    let (process, plugin) = serving(&on_request(
        "(call $ok (call $proxy_get_header_map_size (i32.const 0) (i32.const 24)))
         (call $number '' (i32.rem_u (i32.load (i32.const 24)) (i32.const 10)))",
    ));
    let request = Request::get("/");
    plugin.worker(0).request(request.header("ab", "cd")).unwrap();
    // ":authority" "service.test" ":path" "/" ":method" "GET" ":scheme" "http" "ab" "cd": 22 + 6 + 10 + 11 + 4.
    assert_eq!(said(&process), ["3"]);
}

#[test]
fn request_headers_are_out_of_sight_in_the_response() {
    let (bad_argument, response) = (Status::BadArgument as u32, 2);
    let get = |map: u32| {
        format!("(call $proxy_get_header_map_value (i32.const {map}) ':path' (i32.const 16) (i32.const 20))")
    };
    let callbacks = callback(
        "proxy_on_response_headers",
        "i32 i32",
        &format!(
            "(call $expect {} (i32.const {bad_argument}))
             (call $ok (call $proxy_replace_header_map_value (i32.const {response}) 'x-seen' 'yes'))
             (call $expect (call $proxy_replace_header_map_value (i32.const 0) 'x-seen' 'yes') (i32.const {bad_argument}))
             (call $ok (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 20)))
             (call $expect (i32.load (i32.const 20)) (i32.const 0))",
            get(0)
        ),
    ) + &format!(
        "(func (export \"proxy_on_log\") (param i32) (call $ok {}) (call $say_value))",
        get(0)
    );
    let (process, plugin) = serving(&callbacks);
    let stream = plugin.worker(0).open(Request::get("/seen")).unwrap();
    let passed = stream
        .response_headers([(":status", "200")].into_iter().collect(), true)
        .unwrap();
    assert_eq!(passed.content.text("x-seen").as_deref(), Some("yes"));
    stream.finish().unwrap();
    assert_eq!(said(&process), ["/seen"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Pairs go out to the VM and come back unchanged, whatever bytes the values are.
    #[test]
    fn pairs_survive_the_way_through_the_vm(pairs in prop::collection::vec(("[a-z-]{1,9}", prop::collection::vec(any::<u8>(), 0..9)), 0..9)) {
        let mut request = Request::get("/");
        for (name, value) in &pairs {
            request = request.header(name, value);
        }
        let before = headers_after("", request.clone());
        let after = headers_after(
            "(call $ok (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 20)))
             (call $ok (call $proxy_replace_header_map_value (i32.const 0) ':path' '/lost'))
             (call $ok (call $proxy_set_header_map_pairs (i32.const 0) (i32.load (i32.const 16)) (i32.load (i32.const 20))))",
            request,
        );
        prop_assert_eq!(after, before);
    }
}
