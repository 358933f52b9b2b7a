//! How a filter's VMs are set up, and what becomes of its streams when it fails.

use std::time::Duration;

use crate::module::Module;

/// What happens to streams when a filter's VM has trapped or run out of fuel (Envoy's `failure_policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The present stream and all later ones are answered 503, until a new module or VM configuration.
    #[default]
    FailClosed,
    /// The filter is left out from then on.
    FailOpen,
    /// The present stream is answered 503; the first stream after the back-off gets a new VM.
    FailReload,
}

/// How a filter is set up: Envoy's `PluginConfig` and `VmConfig`.
#[derive(Clone, Debug)]
pub struct PluginOptions {
    /// The plugin's name, as logs and metrics say it and as the filter reads it.
    pub name: String,
    /// The plugin's root id.
    pub root_id: String,
    /// VMs with the same id share their data and queues.
    pub vm_id: String,
    /// What the filter reads as its VM configuration.
    pub vm_configuration: Vec<u8>,
    /// The environment variables that the filter reads through WASI, in this order; Envoy's is that of a hash table.
    /// Plugins that share a VM have those of the plugin for which it was made.
    pub environment: Vec<(String, String)>,
    /// What a trap means for streams.
    pub failure_policy: FailurePolicy,
    /// How long after it was made a VM is at least kept before it is made again.
    pub reload_backoff: Duration,
    /// Whether a filter that answers StopIteration to headers still gets the body.
    pub allow_on_headers_stop_iteration: bool,
    /// How much one callback may do, about one unit per instruction.
    pub fuel_per_callback: u64,
    /// How large the VM's memory may grow, in bytes.
    pub memory_limit: usize,
}

impl PluginOptions {
    /// `vm_id` `weir.<filter>`, no VM configuration, no environment variables, `FailReload` with a back-off of 1 s, 500 million units of fuel
    /// (under a second of work), 256 MiB of memory.
    pub fn of(module: &Module) -> Self {
        Self {
            name: module.filter().to_owned(),
            root_id: String::new(),
            vm_id: format!("weir.{}", module.filter()),
            vm_configuration: Vec::new(),
            environment: Vec::new(),
            failure_policy: FailurePolicy::FailReload,
            reload_backoff: Duration::from_secs(1),
            allow_on_headers_stop_iteration: false,
            fuel_per_callback: 500_000_000,
            memory_limit: 256 << 20,
        }
    }
}
