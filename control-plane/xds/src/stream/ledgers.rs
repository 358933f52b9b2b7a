//! The ledgers of all types.

use weir_core::snapshot::ResourceType;

use super::ledger::Ledger;

/// One ledger a type.
#[derive(Debug)]
pub(super) struct Ledgers {
    pub(super) cluster: Ledger,
    pub(super) endpoint: Ledger,
    secret: Ledger,
    listener: Ledger,
    route: Ledger,
    pub(super) extension_config: Ledger,
}

impl Default for Ledgers {
    fn default() -> Self {
        Self {
            cluster: Ledger::new(ResourceType::Cluster),
            endpoint: Ledger::new(ResourceType::Endpoint),
            secret: Ledger::new(ResourceType::Secret),
            listener: Ledger::new(ResourceType::Listener),
            route: Ledger::new(ResourceType::Route),
            extension_config: Ledger::new(ResourceType::ExtensionConfig),
        }
    }
}

impl Ledgers {
    pub(super) const fn of(&self, resource_type: ResourceType) -> &Ledger {
        match resource_type {
            ResourceType::Cluster => &self.cluster,
            ResourceType::Endpoint => &self.endpoint,
            ResourceType::Secret => &self.secret,
            ResourceType::Listener => &self.listener,
            ResourceType::Route => &self.route,
            ResourceType::ExtensionConfig => &self.extension_config,
        }
    }

    pub(super) const fn of_mut(&mut self, resource_type: ResourceType) -> &mut Ledger {
        match resource_type {
            ResourceType::Cluster => &mut self.cluster,
            ResourceType::Endpoint => &mut self.endpoint,
            ResourceType::Secret => &mut self.secret,
            ResourceType::Listener => &mut self.listener,
            ResourceType::Route => &mut self.route,
            ResourceType::ExtensionConfig => &mut self.extension_config,
        }
    }
}
