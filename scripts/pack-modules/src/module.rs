//! One module: what it may import, and what it exports.

use anyhow::{Result, bail, ensure};
use walrus::{ImportKind, Module, ModuleConfig, passes};

use crate::helpers;

/// What every module exports: its start, its memory and allocator, its ABI, and the life of its contexts. Without
/// `proxy_on_delete` contexts would never be freed.
const NEEDED: [&str; 7] = [
    "_initialize",
    "malloc",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
];

/// Where the proxy-wasm ABI's functions come from, and how their names begin. Which of them there are is held by the
/// tests of the packed modules.
const ABI: (&str, &str) = ("env", "proxy_");

/// Removes from the module `built` every export but the needed ones and `callbacks`, the SDK's helpers that nobody calls, what
/// only those reached, and names; refuses imports that Envoy does not have.
pub(crate) fn strip(built: &[u8], callbacks: &[String]) -> Result<Vec<u8>> {
    let mut config = ModuleConfig::new();
    config
        .generate_name_section(false)
        .generate_producers_section(false);
    let mut module = config.parse(built)?;
    keep_exports(&mut module, callbacks)?;
    helpers::trap(&mut module);
    let custom: Vec<_> = module.customs.iter().map(|(id, _)| id).collect();
    for section in custom {
        module.customs.delete(section);
    }
    passes::gc::run(&mut module);
    check_imports(&module)?;
    Ok(module.emit_wasm())
}

fn keep_exports(module: &mut Module, callbacks: &[String]) -> Result<()> {
    let wanted: Vec<&str> = NEEDED
        .into_iter()
        .chain(callbacks.iter().map(String::as_str))
        .collect();
    for name in &wanted {
        let found = module.exports.iter().any(|export| export.name == *name);
        ensure!(found, "the module does not export {name}");
    }
    let others = module
        .exports
        .iter()
        .filter(|export| !wanted.contains(&export.name.as_str()));
    let others: Vec<_> = others.map(walrus::Export::id).collect();
    for export in others {
        module.exports.delete(export);
    }
    Ok(())
}

fn check_imports(module: &Module) -> Result<()> {
    for import in module.imports.iter() {
        let function = matches!(import.kind, ImportKind::Function(_));
        let (module, prefix) = ABI;
        if !(function && import.module == module && import.name.starts_with(prefix)) {
            bail!(
                "the module imports {}.{}, which is no function of the proxy-wasm ABI",
                import.module,
                import.name
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use walrus::{FunctionBuilder, ValType};

    /// A module with every needed export, the exports `more`, and the import `import`, which all exports call.
    fn module(more: &[&str], import: (&str, &str)) -> Vec<u8> {
        let mut module = Module::default();
        let signature = module.types.add(&[], &[]);
        let (imported, _) = module.add_import_func(import.0, import.1, signature);
        let memory = module.memories.add_local(false, false, 1, None, None);
        for name in NEEDED.iter().chain(more) {
            if *name == "memory" {
                module.exports.add(name, memory);
                continue;
            }
            let mut body = FunctionBuilder::new(&mut module.types, &[ValType::I32], &[]);
            body.func_body().call(imported);
            let local = module.locals.add(ValType::I32);
            let function = body.finish(vec![local], &mut module.funcs);
            module.exports.add(name, function);
        }
        module.emit_wasm()
    }

    fn callbacks(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn only_the_callbacks_asked_for_stay() {
        let built = module(&["proxy_on_log", "proxy_on_tick"], ("env", "proxy_log"));
        let stripped = strip(&built, &callbacks(&["proxy_on_tick"])).unwrap();
        let module = Module::from_buffer(&stripped).unwrap();
        let mut names: Vec<&str> = module.exports.iter().map(|export| export.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, [&NEEDED[..], &["proxy_on_tick"]].concat());
        assert_eq!(module.functions().count(), 8);
        assert!(stripped.len() < built.len());
        assert_eq!(strip(&built, &callbacks(&["proxy_on_tick"])).unwrap(), stripped);
    }

    #[test]
    fn a_callback_that_is_not_there_is_named() {
        let error = strip(&module(&[], ("env", "proxy_log")), &callbacks(&["proxy_on_tick"])).unwrap_err();
        assert_eq!(error.to_string(), "the module does not export proxy_on_tick");
    }

    #[test]
    fn an_import_that_envoy_does_not_have_is_named() {
        for (from, name) in [
            ("env", "emscripten_abort"),
            ("wasi_snapshot_preview1", "proxy_log"),
        ] {
            let error = strip(&module(&[], (from, name)), &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("{from}.{name}")), "{error}");
        }
    }
}
