//! What links, and what a module must have.

use weir_wasm_tests::{HOST_FUNCTIONS, HostError, Module, Request, Status};

use crate::probe::{IMPORTS, event, on_request, probe, said, serving};

#[test]
fn every_function_of_the_abi_links() {
    let names: Vec<&str> = IMPORTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, HOST_FUNCTIONS);
    serving("");
}

#[test]
fn a_module_without_the_marker_of_the_abi_is_refused() {
    let wasm = wat::parse_str("(module)").unwrap();
    let error = Module::from_binary("bare", &wasm).unwrap_err();
    assert!(error.to_string().contains("proxy_abi_version_0_2_1"), "{error}");
}

#[test]
fn a_module_that_imports_something_else_is_refused_by_name() {
    let wasm = wat::parse_str(
        r#"(module (import "env" "gettime" (func)) (func (export "proxy_abi_version_0_2_1")))"#,
    );
    let error = Module::from_binary("stranger", &wasm.unwrap()).unwrap_err();
    assert!(matches!(error, HostError::InvalidModule { .. }));
    assert!(error.to_string().contains("gettime"), "{error}");
}

#[test]
fn a_missing_module_names_the_command_that_builds_it() {
    let error = Module::packed_in("no/such/folder".as_ref(), "shard-router").unwrap_err();
    let text = error.to_string();
    let command = "cargo run -q -p weir-pack-modules -- --out target/modules -p weir-shard-router";
    assert!(text.contains(command), "{text}");
    assert!(text.contains("no/such/folder/shard-router.wasm"), "{text}");
}

#[test]
fn a_pointer_outside_memory_is_an_answer_not_a_crash() {
    let status = Status::InvalidMemoryAccess as u32;
    let read = "(call $proxy_log (i32.const 2) (i32.const 4194303) (i32.const 2))";
    let wrap = "(call $proxy_log (i32.const 2) (i32.const -1) (i32.const -1))";
    let write = "(call $proxy_get_current_time_nanoseconds (i32.const 4194302))";
    for call in [read, wrap, write] {
        let (_process, plugin) = serving(&on_request(&format!(
            "(call $expect {call} (i32.const {status}))"
        )));
        plugin.worker(0).request(Request::get("/")).unwrap();
    }
}

#[test]
fn a_callback_that_is_not_exported_is_skipped() {
    let (process, plugin) = serving(&event("proxy_on_log", "(call $say 'logged')"));
    let outcome = plugin
        .worker(0)
        .request(Request::get("/x").header("a", "b"))
        .unwrap();
    assert_eq!(outcome.headers.text("a").as_deref(), Some("b"));
    assert_eq!(said(&process), ["logged"]);
}

#[test]
fn a_module_compiles_the_same_from_the_cache() {
    for _ in 0..2 {
        let module = probe(&event("proxy_on_log", "(call $say 'cached')"));
        let process = weir_wasm_tests::Process::new(1);
        let plugin = process.load(&module);
        plugin.configure("{}").unwrap();
        plugin.worker(0).request(Request::get("/")).unwrap();
        assert_eq!(said(&process), ["cached"]);
    }
}
