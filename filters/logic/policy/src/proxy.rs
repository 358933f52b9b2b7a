//! What a proxy and the control plane say to one another beside xDS: events that a proxy learns, and leases on the shares
//! of fleet-wide limits. One worker of a process speaks for all of its workers.

use serde::{Deserialize, Serialize};

/// A share of a limit, parts per million: all proxies together have at most [`WHOLE`].
pub type Share = u32;
/// The whole of a limit.
pub const WHOLE: Share = 1_000_000;

/// The answer of `GET /v1/proxy/events?slot=…&cursor=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// What to ask with next.
    pub cursor: u64,
    /// The events after the cursor that was asked with are not all known any more: whatever one of them might have
    /// changed can't be trusted.
    pub reset: bool,
    /// What happened since, oldest first.
    pub events: Vec<ProxyEvent>,
}

/// Something that proxies have to know. A proxy that does not know a kind of event finds nothing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyEvent {
    /// Where it stands among all events.
    pub revision: u64,
    /// Whoever was held back by a limit starts anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_reset: Option<QuotaReset>,
    /// Cached answers are gone, or stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_purge: Option<CachePurge>,
    /// Answers are to be fetched before anybody asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_warm: Option<CacheWarm>,
}

/// Which cached answers are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachePurge {
    /// `<namespace>/<name>` of the CachePolicy; absent: every policy of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// They are stale at once, not gone: where the policy allows it, they are served while a fresh one is fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
    /// Which.
    pub what: Purged,
}

/// A part of a run: which answers are to be fetched before anybody asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheWarm {
    /// The run: of `[a-z0-9-]`.
    pub job: String,
    /// `<namespace>/<name>` of the CachePolicy.
    pub policy: String,
    /// The host of the requests.
    pub host: String,
    /// Other headers of the requests: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Paths, with queries.
    pub urls: Vec<String>,
    /// How many requests a proxy makes at once.
    pub parallelism: u32,
    /// How often a request that failed is made again.
    pub retries: u32,
    /// Whose caches share what one of them fetches: each takes its share, by `node.id`, and others none; absent: each takes all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
}

impl CacheWarm {
    /// Whether the node `id` has to fetch `url`.
    pub fn is_for(&self, id: &[u8], url: &str) -> bool {
        match &self.nodes {
            Some(nodes) => Self::owner(nodes, url).is_some_and(|owner| owner.as_bytes() == id),
            None => true,
        }
    }

    /// Which of these nodes fetches `url` for all of them.
    pub fn owner<'n>(nodes: &'n [String], url: &str) -> Option<&'n str> {
        // FNV-1a: every proxy has to come to the same.
        let hash = url.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let place = hash.checked_rem(nodes.len() as u64)?;
        nodes.get(usize::try_from(place).ok()?).map(String::as_str)
    }
}

/// The body of `POST /v1/proxy/cache-reports`: what one proxy has fetched before anybody asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheReport {
    /// The slot's name.
    pub slot: String,
    /// `node.id`.
    pub node: String,
    /// The newest runs, each from its beginning.
    pub jobs: Vec<WarmCounts>,
}

/// What became of the requests of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmCounts {
    /// The run.
    pub job: String,
    /// How many there are to make.
    pub urls: u32,
    /// The origin answered.
    pub fetched: u32,
    /// The answer was in the proxy's cache already, or in the tier that all proxies share.
    pub hit: u32,
    /// No good answer came, however often it was tried.
    pub failed: u32,
}

/// Which cached answers a purge is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purged {
    /// All.
    All,
    /// Those with one of these tags; the control plane has added what depends on a tag.
    Tags(Vec<String>),
    /// Those of one of these URLs, without a scheme: `shop.example/products?page=2`. All variants, whosever key.
    Urls(Vec<String>),
    /// Those whose URL begins with one of these.
    Prefixes(Vec<String>),
}

impl Purged {
    /// The list; empty where it is for all.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Tags(texts) | Self::Urls(texts) | Self::Prefixes(texts) => texts,
        }
    }
}

/// Whose counts start anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaReset {
    /// `<namespace>/<name>` of the RateLimitPolicy.
    pub policy: String,
    /// One of its limits; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The values of the limit's key, in order; absent: every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
}

/// What proxies have to know, as it is stored: exactly one of the kinds that a [`ProxyEvent`] can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// Whoever was held back by a limit starts anew.
    QuotaReset(QuotaReset),
    /// Cached answers are gone, or stale.
    CachePurge(CachePurge),
    /// Answers are to be fetched before anybody asks for them.
    CacheWarm(CacheWarm),
}

impl ProxyEvent {
    /// The event of a notice.
    pub fn new(revision: u64, notice: Notice) -> Self {
        let event = Self {
            revision,
            ..Self::default()
        };
        match notice {
            Notice::QuotaReset(reset) => Self {
                quota_reset: Some(reset),
                ..event
            },
            Notice::CachePurge(purge) => Self {
                cache_purge: Some(purge),
                ..event
            },
            Notice::CacheWarm(warm) => Self {
                cache_warm: Some(warm),
                ..event
            },
        }
    }
}

/// The body of `POST /v1/proxy/leases`: what one process holds, and what its clients ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseReport {
    /// The slot's name.
    pub slot: String,
    /// One process: another after a restart of the proxy.
    pub instance: String,
    /// Grows with every report of the instance: one that was given up may arrive after its successor.
    pub sequence: u64,
    /// Its fleet-wide limits.
    pub limits: Vec<LimitReport>,
}

/// What a process holds of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitReport {
    /// `<namespace>/<policy>/<limit>`.
    pub limit: String,
    /// The most that any of its workers may still use of a key that is not in `keys`.
    pub held: Share,
    /// The keys that were asked for lately, or that have a share of their own.
    pub keys: Vec<KeyReport>,
}

/// What a process holds of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyReport {
    /// The key's fingerprint, 16 hexadecimal digits.
    pub key: String,
    /// Units asked for in the last second, let through or not.
    pub demand: u64,
    /// The most that any of its workers may still use.
    pub held: Share,
}

/// The answer to a [`LeaseReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAnswer {
    /// How long the shares may be used, counted from when the report was sent, milliseconds.
    pub lease_ms: u64,
    /// How many processes share the limits.
    pub proxies: u32,
    /// A share for every limit of the report.
    pub limits: Vec<LimitGrant>,
}

/// The shares of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitGrant {
    /// As in the report.
    pub limit: String,
    /// Of every key that is not in `keys`.
    pub share: Share,
    /// Keys with a share of their own; a key that is not here any more has the limit's.
    pub keys: Vec<KeyGrant>,
}

/// The share of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyGrant {
    /// As in the report.
    pub key: String,
    /// Parts per million.
    pub share: Share,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_and_one_of_a_later_release_says_nothing() {
        let reset = QuotaReset {
            policy: "default/api".to_owned(),
            limit: None,
            key: Some(vec!["alice".to_owned()]),
        };
        let event = ProxyEvent::new(7, Notice::QuotaReset(reset));
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"revision": 7, "quotaReset": {"policy": "default/api", "key": ["alice"]}})
        );
        assert_eq!(serde_json::from_value::<ProxyEvent>(json).unwrap(), event);
        let later = serde_json::json!({"revision": 8, "later": {"a": "b"}});
        let later = serde_json::from_value::<ProxyEvent>(later).unwrap();
        assert_eq!((later.revision, later.quota_reset), (8, None));
    }

    #[test]
    fn each_url_is_one_listed_nodes_or_everybodys() {
        let mut warm = CacheWarm {
            nodes: Some(["a", "b", "c"].map(str::to_owned).into()),
            ..CacheWarm::default()
        };
        let mut shares = [0; 3];
        for index in 0..3_000 {
            let url = format!("/products/{index}");
            let takes = [b"a", b"b", b"c"].map(|id| warm.is_for(id, &url));
            assert_eq!(takes.iter().filter(|takes| **takes).count(), 1);
            for (share, takes) in shares.iter_mut().zip(takes) {
                *share += u32::from(takes);
            }
            assert!(!warm.is_for(b"d", &url));
        }
        assert!(
            shares.iter().all(|share| (800..1_200).contains(share)),
            "{shares:?}"
        );
        warm.nodes = Some(Vec::new());
        assert!(!warm.is_for(b"a", "/"));
        warm.nodes = None;
        assert!(warm.is_for(b"d", "/"));
    }
}
