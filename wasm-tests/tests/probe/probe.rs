//! Modules written for one test, in WebAssembly text: callbacks that call host functions and log what they got.

use std::collections::BTreeMap;

use weir_wasm_tests::Module;

/// Every host function of the ABI and its parameters (i: 32 bits, I: 64 bits); a probe imports all of them.
pub(crate) const IMPORTS: [(&str, &str); 39] = [
    ("proxy_add_header_map_value", "iiiii"),
    ("proxy_call_foreign_function", "iiiiii"),
    ("proxy_close_stream", "i"),
    ("proxy_continue_stream", "i"),
    ("proxy_define_metric", "iiii"),
    ("proxy_dequeue_shared_queue", "iii"),
    ("proxy_done", ""),
    ("proxy_enqueue_shared_queue", "iii"),
    ("proxy_get_buffer_bytes", "iiiii"),
    ("proxy_get_buffer_status", "iii"),
    ("proxy_get_current_time_nanoseconds", "i"),
    ("proxy_get_header_map_pairs", "iii"),
    ("proxy_get_header_map_size", "ii"),
    ("proxy_get_header_map_value", "iiiii"),
    ("proxy_get_log_level", "i"),
    ("proxy_get_metric", "ii"),
    ("proxy_get_property", "iiii"),
    ("proxy_get_shared_data", "iiiii"),
    ("proxy_get_status", "iii"),
    ("proxy_grpc_call", "iiiiiiiiiiii"),
    ("proxy_grpc_cancel", "i"),
    ("proxy_grpc_close", "i"),
    ("proxy_grpc_send", "iiii"),
    ("proxy_grpc_stream", "iiiiiiiii"),
    ("proxy_http_call", "iiiiiiiiii"),
    ("proxy_increment_metric", "iI"),
    ("proxy_log", "iii"),
    ("proxy_record_metric", "iI"),
    ("proxy_register_shared_queue", "iii"),
    ("proxy_remove_header_map_value", "iii"),
    ("proxy_replace_header_map_value", "iiiii"),
    ("proxy_resolve_shared_queue", "iiiii"),
    ("proxy_send_local_response", "iiiiiiii"),
    ("proxy_set_buffer_bytes", "iiiii"),
    ("proxy_set_effective_context", "i"),
    ("proxy_set_header_map_pairs", "iii"),
    ("proxy_set_property", "iiii"),
    ("proxy_set_shared_data", "iiiii"),
    ("proxy_set_tick_period_milliseconds", "i"),
];

/// The functions of WASI that Envoy has, likewise; all but `proc_exit`, which answers nothing.
pub(crate) const WASI: [(&str, &str); 44] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// What else Envoy has.
const OTHERS: &str = r#"
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "env" "emscripten_notify_memory_growth" (func $emscripten_notify_memory_growth (param i32)))
  (import "env" "pthread_equal" (func $pthread_equal (param i32 i32) (result i32)))
"#;

/// What every probe has. Host functions write a value's address to 16, its size to 20, a number to 24.
const PRELUDE: &str = include_str!("prelude.wat");

/// A module with these callbacks. In them, `'text'` stands for the address and the length of that text (a byte is
/// written `\00`), `(!f` for `(call $f`, and `#7` for `(i32.const 7)`.
pub(crate) fn probe(callbacks: &str) -> Module {
    Module::from_binary("probe", &binary(callbacks)).unwrap_or_else(|error| panic!("{error}"))
}

/// The same, as the bytes of a module.
pub(crate) fn binary(callbacks: &str) -> Vec<u8> {
    let (callbacks, data) = lay_out(callbacks);
    let imports = imports("env", &IMPORTS) + &imports("wasi_snapshot_preview1", &WASI) + OTHERS;
    let text = format!("(module {imports} {PRELUDE} {callbacks} {data})");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn imports(module: &str, functions: &[(&str, &str)]) -> String {
    let import = |(name, params): &(&str, &str)| import(module, name, params);
    functions.iter().map(import).collect()
}

fn import(module: &str, name: &str, params: &str) -> String {
    let params: String = params
        .chars()
        .map(|kind| if kind == 'I' { "i64 " } else { "i32 " })
        .collect();
    format!("(import \"{module}\" \"{name}\" (func ${name} (param {params}) (result i32)))\n")
}

/// Puts the texts into data segments from 1024 on.
fn lay_out(callbacks: &str) -> (String, String) {
    let (mut code, mut data) = (String::new(), String::new());
    let mut known: BTreeMap<&str, u32> = BTreeMap::new();
    let mut next = 1024;
    for (index, part) in callbacks.split('\'').enumerate() {
        if index % 2 == 0 {
            code.push_str(&spell_out(part));
            continue;
        }
        let length = part.len() - 2 * part.matches('\\').count();
        let address = *known.entry(part).or_insert_with(|| {
            data.push_str(&format!("(data (i32.const {next}) \"{part}\")\n"));
            let address = next;
            next += u32::try_from(length).unwrap();
            address
        });
        code.push_str(&format!("(i32.const {address}) (i32.const {length})"));
    }
    (code, data)
}

/// `(!` and `#`, in full.
fn spell_out(code: &str) -> String {
    let code = code.replace("(!", "(call $");
    let mut parts = code.split('#');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part
            .find(|c: char| !c.is_ascii_digit() && c != '-')
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        out.push_str(&format!("(i32.const {number}){rest}"));
    }
    out
}
