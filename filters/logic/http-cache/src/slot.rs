//! The configuration of a slot, checked and compiled.

use weir_policy::compiled::edge_cache::CompiledCachePolicy;
use weir_policy::compiled::{ConfigError, ControlConfig, SlotConfig};
use weir_policy::problem::escape;
use weir_route_match::Selector;

use crate::rules::CacheRules;

/// What a slot's configuration says.
#[derive(Clone, Debug)]
pub struct CacheSlot {
    /// The slot's name.
    pub name: String,
    /// The configuration's generation.
    pub generation: u64,
    /// The way to the control plane.
    pub control: Option<ControlConfig>,
    /// Finds the policy for a request: an index into `policies`.
    pub selector: Selector,
    /// `<namespace>/<name>` and rules of each policy.
    pub policies: Vec<(String, CacheRules)>,
}

impl CacheSlot {
    /// Reads and checks a slot's configuration; an error starts with the pointer to the field.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let config = SlotConfig::<CompiledCachePolicy>::read(json)?;
        let selector = Selector::try_new(&config)?;
        let mut policies = Vec::with_capacity(config.policies.len());
        for (name, policy) in config.policies {
            let rules = CacheRules::try_new(policy, &config.routes).map_err(|problem| {
                let pointer = format!("/policies/{}{}", escape(&name), problem.pointer);
                ConfigError::Invalid(format!("{pointer}: {}", problem.detail))
            })?;
            policies.push((name, rules));
        }
        Ok(Self {
            name: config.slot,
            generation: config.generation,
            control: config.control,
            selector,
            policies,
        })
    }
}
