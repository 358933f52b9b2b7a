//! Slots as Envoy's Wasm filter gets them: the module's file and the compiled configuration in one resource.

use envoy_types::pb::envoy::config::core::v3::async_data_source::Specifier as CodeSpecifier;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier as FileSpecifier;
use envoy_types::pb::envoy::config::core::v3::{AsyncDataSource, DataSource, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::wasm::v3::plugin_config::Vm;
use envoy_types::pb::envoy::extensions::wasm::v3::{FailurePolicy, PluginConfig, VmConfig};
use envoy_types::pb::google::protobuf::StringValue;

use super::Resource;
use super::encode::{any, boolean};
use crate::slot::CompiledSlot;

/// The ECDS resource of a slot. The VM's configuration holds nothing that changes with a policy, so that a new
/// policy keeps the VM. A second try says explicitly what is the default anyway.
pub(super) fn slot(slot: &CompiledSlot, module: &str) -> Resource {
    let plugin = plugin(slot, module);
    let other_bytes = PluginConfig {
        allow_on_headers_stop_iteration: boolean(false),
        ..plugin.clone()
    };
    Resource::encoded(&slot.name, &extension(&slot.name, plugin))
        .with_again(&extension(&slot.name, other_bytes))
        .with_clusters(slot.clusters.clone())
}

fn extension(name: &str, plugin: PluginConfig) -> TypedExtensionConfig {
    TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(any(&Wasm { config: Some(plugin) })),
    }
}

fn plugin(slot: &CompiledSlot, module: &str) -> PluginConfig {
    let vm = VmConfig {
        vm_id: format!("weir.{}", slot.filter),
        runtime: "envoy.wasm.runtime.v8".to_owned(),
        code: Some(local(module)),
        ..VmConfig::default()
    };
    PluginConfig {
        name: slot.name.clone(),
        root_id: slot.name.clone(),
        configuration: Some(any(&StringValue {
            value: slot.json.clone(),
        })),
        failure_policy: FailurePolicy::FailReload.into(),
        vm: Some(Vm::VmConfig(vm)),
        ..PluginConfig::default()
    }
}

fn local(file: &str) -> AsyncDataSource {
    let source = DataSource {
        specifier: Some(FileSpecifier::Filename(file.to_owned())),
        ..DataSource::default()
    };
    AsyncDataSource {
        specifier: Some(CodeSpecifier::Local(source)),
    }
}
