//! Proxies, as far as `weir status` looks at them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The services that have a column.
const SERVICES: [&str; 5] = ["CDS", "EDS", "LDS", "RDS", "ECDS"];
/// The table's head.
pub(super) const HEAD: [&str; 9] = [
    "PROXY",
    "GATEWAY",
    "ASSIGNMENT",
    "CONNECTED",
    "CDS",
    "EDS",
    "LDS",
    "RDS",
    "ECDS",
];

/// The assignment of proxies that keep what they have.
const GATEWAY_GONE: &str = "gateway_gone";

/// Every proxy (`GET /v1/proxies`).
#[derive(Debug, Deserialize)]
pub(super) struct Fleet {
    revision: u64,
    pub(super) items: Vec<Proxy>,
}

/// One proxy. What is not looked at is passed on to programs as it came.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Proxy {
    pub(super) id: String,
    cluster: String,
    assignment: String,
    connected: bool,
    /// The revision whose whole view it has taken last.
    revision: u64,
    #[serde(default)]
    types: BTreeMap<String, Service>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

/// What a proxy made of one service's resources.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    sent_version: Option<String>,
    acked_version: Option<String>,
    nack: Option<Nack>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Nack {
    message: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

impl Fleet {
    /// Whether every proxy is connected and has taken all of the newest revision. Nothing more is sent to proxies whose
    /// Gateway is gone.
    pub(super) fn is_in_sync(&self) -> bool {
        let in_sync = |proxy: &Proxy| {
            proxy.connected && (proxy.revision >= self.revision || proxy.assignment == GATEWAY_GONE)
        };
        self.items.iter().all(in_sync)
    }

    pub(super) fn connected(&self) -> usize {
        self.items.iter().filter(|proxy| proxy.connected).count()
    }
}

impl Service {
    fn state(&self) -> &'static str {
        match (&self.nack, &self.sent_version) {
            (Some(_), _) => "NACK",
            (None, sent) if sent == &self.acked_version => "ok",
            (None, _) => "pending",
        }
    }
}

impl Proxy {
    /// Whether it refused something or is gone.
    pub(super) fn is_bad(&self) -> bool {
        !self.connected || self.types.values().any(|service| service.nack.is_some())
    }

    pub(super) fn row(&self) -> [String; 9] {
        let [cds, eds, lds, rds, ecds] = SERVICES.map(|name| {
            let state = self.types.get(name).map_or("-", Service::state);
            state.to_owned()
        });
        let connected = if self.connected { "yes" } else { "no" };
        let head = [
            self.id.clone(),
            self.cluster.clone(),
            self.assignment.clone(),
            connected.to_owned(),
        ];
        let [id, cluster, assignment, connected] = head;
        [id, cluster, assignment, connected, cds, eds, lds, rds, ecds]
    }

    /// Its refusals: which service, which resources, and Envoy's words.
    pub(super) fn nacks(&self) -> impl Iterator<Item = String> {
        self.types.iter().filter_map(|(name, service)| {
            let nack = service.nack.as_ref()?;
            let resources = nack.resources.join(", ");
            Some(format!(
                "{} refused {name} {resources}\n  {}\n",
                self.id,
                nack.message.replace('\n', "\n  ")
            ))
        })
    }
}
