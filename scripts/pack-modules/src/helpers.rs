//! The SDK's helpers that nobody calls.
//!
//! The SDK's traits have methods that the host calls, and around a hundred for a filter to call, all with bodies of their
//! own. A filter's context is called through the trait's table, which refers to all of them, so a linker keeps them. The
//! SDK itself calls none of the helpers; one that no code names but a table is never called.

use std::collections::HashMap;

use walrus::{ElementItems, FunctionBuilder, FunctionId, Module, TypeId};

/// Where the methods are.
const TRAITS: [&str; 4] = ["Context", "RootContext", "StreamContext", "HttpContext"];
/// How the names of those begin that the SDK calls.
const CALLED: [&str; 3] = ["on_", "create_", "get_type"];

/// Puts a trap in the place of every helper in the module's tables. Functions must have names still.
pub(crate) fn trap(module: &mut Module) {
    let mut traps = HashMap::<TypeId, FunctionId>::new();
    let helpers: HashMap<FunctionId, FunctionId> = helpers(module)
        .into_iter()
        .map(|(helper, signature)| {
            let trap = traps
                .entry(signature)
                .or_insert_with(|| trap_of(module, signature));
            (helper, *trap)
        })
        .collect();
    for element in module.elements.iter_mut() {
        if let ElementItems::Functions(functions) = &mut element.items {
            let listed = functions.iter_mut();
            listed.for_each(|function| *function = *helpers.get(function).unwrap_or(function));
        }
    }
}

fn helpers(module: &Module) -> Vec<(FunctionId, TypeId)> {
    let named = module.funcs.iter().filter(|function| {
        let name = function.name.as_deref();
        name.is_some_and(|name| is_helper(&format!("{:#}", rustc_demangle::demangle(name))))
    });
    named.map(|function| (function.id(), function.ty())).collect()
}

/// Whether a path is that of a helper as the trait has it. One that a context has of its own has the context's type in its
/// path.
fn is_helper(path: &str) -> bool {
    let method = path.strip_prefix("proxy_wasm::traits::");
    let parts = method.and_then(|method| method.split_once("::"));
    parts.is_some_and(|(owner, name)| {
        TRAITS.contains(&owner) && !CALLED.iter().any(|called| name.starts_with(called))
    })
}

fn trap_of(module: &mut Module, signature: TypeId) -> FunctionId {
    let (parameters, results) = module.types.params_results(signature);
    let (parameters, results) = (parameters.to_vec(), results.to_vec());
    let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
    let mut body = FunctionBuilder::new(&mut module.types, &parameters, &results);
    body.func_body().unreachable();
    body.finish(arguments, &mut module.funcs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use walrus::{ConstExpr, Element, ElementKind, RefType, ValType, ir};

    const HELPER: &str = "_ZN10proxy_wasm6traits7Context15get_shared_data17ha49d0a543c94f825E";
    const CALLED_HELPER: &str = "_ZN10proxy_wasm6traits7Context12get_property17ha49d0a543c94f825E";
    const CALLBACK: &str = "_ZN10proxy_wasm6traits7Context7on_done17ha49d0a543c94f825E";

    fn function(module: &mut Module, name: &str, calls: Option<FunctionId>) -> FunctionId {
        let mut builder = FunctionBuilder::new(&mut module.types, &[ValType::I32], &[]);
        builder.name(name.to_owned());
        let argument = module.locals.add(ValType::I32);
        if let Some(callee) = calls {
            builder.func_body().local_get(argument).call(callee);
        }
        builder.finish(vec![argument], &mut module.funcs)
    }

    fn traps(module: &Module, function: FunctionId) -> bool {
        let local = module.funcs.get(function).kind.unwrap_local();
        let body = local.block(local.entry_block());
        body.iter()
            .any(|(instruction, _)| matches!(instruction, ir::Instr::Unreachable(_)))
    }

    #[test]
    fn in_tables_helpers_trap_and_those_that_are_called_stay() {
        let mut module = Module::default();
        let helper = function(&mut module, HELPER, None);
        let called = function(&mut module, CALLED_HELPER, None);
        let callback = function(&mut module, CALLBACK, Some(called));
        let table = module.tables.add_local(false, 3, None, RefType::FUNCREF);
        let kind = ElementKind::Active {
            table,
            offset: ConstExpr::Value(ir::Value::I32(0)),
        };
        let listed = module
            .elements
            .add(kind, ElementItems::Functions(vec![helper, called, callback]));
        trap(&mut module);
        let Element { items, .. } = module.elements.get(listed);
        let ElementItems::Functions(functions) = items else {
            panic!("{items:?}");
        };
        let [first, second, third] = functions[..] else {
            panic!("{functions:?}");
        };
        assert!(
            first == second && traps(&module, first),
            "one trap for all of a signature"
        );
        assert_eq!(third, callback);
        assert!(!traps(&module, called), "who calls it gets what it does");
    }

    #[test]
    fn helpers_are_what_a_filter_calls_and_the_sdk_does_not() {
        for helper in [
            "proxy_wasm::traits::Context::get_shared_data",
            "proxy_wasm::traits::HttpContext::send_http_response",
        ] {
            assert!(is_helper(helper), "{helper}");
        }
        for other in [
            "proxy_wasm::traits::HttpContext::on_http_request_trailers",
            "proxy_wasm::traits::RootContext::create_stream_context",
            "proxy_wasm::traits::RootContext::get_type",
            "<weir_host::wasm::sdk::SdkRoot<F> as proxy_wasm::traits::Context>::get_property",
            "proxy_wasm::hostcalls::get_map",
        ] {
            assert!(!is_helper(other), "{other}");
        }
    }
}
