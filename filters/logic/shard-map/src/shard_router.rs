//! A whole slot of the shard-router filter.

use weir_policy::compiled::shard_router::ShardMapPolicy;
use weir_policy::compiled::{ConfigError, SlotConfig};
use weir_policy::problem::escape;
use weir_route_match::{RequestView, Selector};

use crate::router::{Rejection, Router, Target};

/// Decides for every request of one slot.
#[derive(Clone, Debug)]
pub struct ShardRouter {
    slot: String,
    generation: u64,
    selector: Selector,
    maps: Vec<(String, Router)>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'r> {
    /// It goes to a shard.
    Forward {
        /// The ShardMap's index in [`ShardRouter::maps`].
        map: usize,
        /// Where it goes.
        target: Target<'r>,
    },
    /// It is answered with an error.
    Reject {
        /// The ShardMap's index in [`ShardRouter::maps`].
        map: usize,
        /// Why.
        rejection: Rejection,
    },
    /// No rule is for it: it goes on as it is.
    NoRule,
}

impl ShardRouter {
    /// Reads and checks a slot's configuration; an error starts with the pointer to the field.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::try_new(&SlotConfig::from_json(json)?)
    }

    /// Checks and compiles a slot's configuration; an error starts with the pointer to the field.
    pub fn try_new(config: &SlotConfig<ShardMapPolicy>) -> Result<Self, ConfigError> {
        config.check()?;
        let selector = Selector::try_new(config)?;
        let mut maps = Vec::with_capacity(config.policies.len());
        for (name, policy) in &config.policies {
            let router = Router::try_new(policy)
                .map_err(|error| ConfigError::Invalid(format!("/policies/{}{error}", escape(name))))?;
            maps.push((name.clone(), router));
        }
        Ok(Self {
            slot: config.slot.clone(),
            generation: config.generation,
            selector,
            maps,
        })
    }

    /// The slot's name.
    pub fn slot(&self) -> &str {
        &self.slot
    }

    /// The configuration's generation, below 2^53.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The ShardMaps with their names, `<namespace>/<name>`.
    pub fn maps(&self) -> impl Iterator<Item = (&str, &Router)> {
        self.maps.iter().map(|(name, router)| (name.as_str(), router))
    }

    /// What happens to `request`. Reads only what the rules and the ShardMap need.
    pub fn on_request(&self, request: &(impl RequestView + ?Sized)) -> Decision<'_> {
        let Some(map) = self.selector.select(request) else {
            return Decision::NoRule;
        };
        let Some((_, router)) = self.maps.get(map) else {
            return Decision::NoRule;
        };
        match router.route(request) {
            Ok(target) => Decision::Forward { map, target },
            Err(rejection) => Decision::Reject { map, rejection },
        }
    }
}
