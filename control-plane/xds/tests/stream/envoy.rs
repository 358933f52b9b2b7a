//! A model of Envoy's side of ADS: what it has in force, what it asks for, and how it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_core::snapshot::{Resource, ResourceType};
use weir_xds::stream::{Request, Response};

use crate::world::{Fault, fault};

/// The words of a refusal that names nobody.
pub(crate) const NAMELESS: &str = "no";

/// A request, and the clusters that Envoy had when it made it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) clusters: BTreeSet<String>,
}

/// What a response did.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    pub(crate) removed: Vec<String>,
    pub(crate) applied: Vec<Arc<Resource>>,
}

#[derive(Debug, Default)]
pub(crate) struct Envoy {
    pub(crate) in_force: BTreeMap<ResourceType, BTreeMap<String, Arc<Resource>>>,
    version: BTreeMap<ResourceType, String>,
    nonce: BTreeMap<ResourceType, String>,
    names: BTreeMap<ResourceType, Vec<String>>,
    warming: BTreeSet<String>,
    held: Option<(String, String, Option<String>)>,
    out: Vec<Sent>,
}

impl Envoy {
    pub(crate) fn of(&self, resource_type: ResourceType) -> BTreeMap<String, Arc<Resource>> {
        self.in_force.get(&resource_type).cloned().unwrap_or_default()
    }

    pub(crate) fn version(&self, resource_type: ResourceType) -> &str {
        self.version.get(&resource_type).map_or("", String::as_str)
    }

    /// Opens a stream: every subscription again, with versions and without nonces.
    pub(crate) fn connect(&mut self) -> Vec<Sent> {
        self.nonce.clear();
        self.held = None;
        self.names.clear();
        self.warming.clear();
        self.out.clear();
        self.ask(ResourceType::Cluster, None);
        self.subscribe();
        self.ask(ResourceType::Listener, None);
        std::mem::take(&mut self.out)
    }

    /// Who names a cluster in force.
    pub(crate) fn users(&self, cluster: &str) -> Vec<String> {
        [
            ResourceType::Listener,
            ResourceType::Route,
            ResourceType::ExtensionConfig,
        ]
        .into_iter()
        .flat_map(|dependent| self.of(dependent).into_values())
        .filter(|resource| resource.clusters.contains(cluster))
        .map(|resource| resource.name.clone())
        .collect()
    }

    /// The routes and slots that the listeners in force name.
    pub(crate) fn asked(&self) -> Vec<(ResourceType, String)> {
        [ResourceType::Route, ResourceType::ExtensionConfig]
            .into_iter()
            .flat_map(|resource_type| {
                self.wanted(resource_type)
                    .into_iter()
                    .map(move |name| (resource_type, name))
            })
            .collect()
    }

    fn wanted(&self, resource_type: ResourceType) -> Vec<String> {
        let listeners = || self.of(ResourceType::Listener).into_keys();
        match resource_type {
            ResourceType::Endpoint => self.of(ResourceType::Cluster).into_keys().collect(),
            ResourceType::Route => listeners().map(|name| name.replace('l', "r")).collect(),
            ResourceType::ExtensionConfig => listeners().map(|name| name.replace('l', "e")).collect(),
            _ => Vec::new(),
        }
    }

    fn ask(&mut self, resource_type: ResourceType, error: Option<String>) {
        let request = Request {
            resource_type,
            names: self.wanted(resource_type),
            version: self.version(resource_type).to_owned(),
            nonce: self.nonce.get(&resource_type).cloned().unwrap_or_default(),
            error,
        };
        self.out.push(Sent {
            request,
            clusters: self.of(ResourceType::Cluster).into_keys().collect(),
        });
    }

    /// Subscribes to what listeners and clusters name, and drops what they name no longer.
    fn subscribe(&mut self) {
        for resource_type in [
            ResourceType::Endpoint,
            ResourceType::Route,
            ResourceType::ExtensionConfig,
        ] {
            let wanted = self.wanted(resource_type);
            if self.names.get(&resource_type).unwrap_or(&Vec::new()) != &wanted {
                self.ask(resource_type, None);
                self.in_force
                    .entry(resource_type)
                    .or_default()
                    .retain(|name, _| wanted.contains(name));
                self.names.insert(resource_type, wanted);
            }
        }
    }

    pub(crate) fn receive(&mut self, response: &Response) -> (Effect, Vec<Sent>) {
        self.nonce.insert(response.resource_type, response.nonce.clone());
        let whole = response
            .resources
            .iter()
            .find_map(|resource| match fault(resource) {
                Some(Fault::Whole) => Some(format!(
                    "Proto constraint validation failed (X): name: \"{}\"",
                    resource.name
                )),
                Some(Fault::Nameless) => Some(NAMELESS.to_owned()),
                _ => None,
            });
        let (effect, error) = match whole {
            Some(error) => (Effect::default(), Some(error)),
            None => self.apply(response),
        };
        self.answer(response, error, &effect);
        (effect, std::mem::take(&mut self.out))
    }

    fn apply(&mut self, response: &Response) -> (Effect, Option<String>) {
        let full_set = matches!(
            response.resource_type,
            ResourceType::Cluster | ResourceType::Listener
        );
        let mut effect = Effect::default();
        let wanted = self.wanted(response.resource_type);
        let in_force = self.in_force.entry(response.resource_type).or_default();
        if full_set {
            let named: BTreeSet<_> = response.resources.iter().map(|resource| &resource.name).collect();
            effect.removed = in_force
                .keys()
                .filter(|name| !named.contains(name))
                .cloned()
                .collect();
            in_force.retain(|name, _| named.contains(name));
        }
        let mut refused = Vec::new();
        let wanted = |name: &String| full_set || wanted.contains(name);
        for resource in response
            .resources
            .iter()
            .filter(|resource| wanted(&resource.name))
        {
            if fault(resource).is_some() {
                refused.push(format!("{}: why", resource.name));
            } else if in_force.get(&resource.name).map(|old| old.version) != Some(resource.version) {
                in_force.insert(resource.name.clone(), resource.clone());
                effect.applied.push(resource.clone());
            }
        }
        let kind = if response.resource_type == ResourceType::Cluster {
            "cluster(s)"
        } else {
            "listener(s)"
        };
        let error = match (refused.is_empty(), full_set) {
            (true, _) => None,
            (false, true) => Some(format!("Error adding/updating {kind} {}", refused.join(", "))),
            (false, false) => Some("Unable to create Wasm plugin".to_owned()),
        };
        (effect, error)
    }

    fn answer(&mut self, response: &Response, error: Option<String>, effect: &Effect) {
        match response.resource_type {
            ResourceType::Cluster => self.answer_clusters(response, error, effect),
            ResourceType::Endpoint => {
                for resource in &response.resources {
                    self.warming.remove(&resource.name);
                }
                self.acknowledge(response.resource_type, &response.version, error);
                self.release();
            }
            other => {
                self.acknowledge(other, &response.version, error);
                self.subscribe();
            }
        }
    }

    /// Clusters that changed warm up with fresh endpoints, asked for with the names and nonce used before; until then
    /// the answer is held back, and a complaint stays with it.
    fn answer_clusters(&mut self, response: &Response, error: Option<String>, effect: &Effect) {
        let complaint = self.held.take().and_then(|(_, _, error)| error);
        self.held = Some((
            response.nonce.clone(),
            response.version.clone(),
            error.or(complaint),
        ));
        let clusters = self.of(ResourceType::Cluster);
        self.warming.retain(|name| clusters.contains_key(name));
        self.warming
            .extend(effect.applied.iter().map(|resource| resource.name.clone()));
        let asked = self.out.len();
        self.subscribe();
        if self.out.len() == asked && !effect.applied.is_empty() {
            self.ask(ResourceType::Endpoint, None);
        }
        self.release();
    }

    fn release(&mut self) {
        if self.warming.is_empty()
            && let Some((nonce, version, error)) = self.held.take()
        {
            self.nonce.insert(ResourceType::Cluster, nonce);
            self.acknowledge(ResourceType::Cluster, &version, error);
        }
    }

    fn acknowledge(&mut self, resource_type: ResourceType, version: &str, error: Option<String>) {
        if error.is_none() {
            self.version.insert(resource_type, version.to_owned());
        }
        self.ask(resource_type, error);
    }
}
