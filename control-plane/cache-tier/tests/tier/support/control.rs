//! The events of a control plane: what was purged, as its API says it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_policy::proxy::{CachePurge, EventPage, Notice, ProxyEvent, Purged};

#[derive(Clone, Default)]
struct History {
    revision: u64,
    /// Events up to here are not known any more.
    forgotten: u64,
    events: Vec<ProxyEvent>,
}

pub(crate) struct Control {
    history: Arc<watch::Sender<History>>,
    url: String,
    _tasks: JoinSet<()>,
}

impl Control {
    /// One whose history begins at `revision`.
    pub(crate) async fn start(revision: u64) -> Self {
        let history = Arc::new(watch::Sender::new(History {
            revision,
            ..History::default()
        }));
        let router = Router::new()
            .route("/v1/proxy/events", get(events))
            .with_state(Arc::clone(&history));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            history,
            url,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.history.borrow().revision
    }

    /// One more purge.
    pub(crate) fn purge(&self, policy: Option<&str>, soft: bool, what: Purged) {
        let policy = policy.map(str::to_owned);
        self.history.send_modify(|history| {
            history.revision += 1;
            let notice = Notice::CachePurge(CachePurge { policy, soft, what });
            history.events.push(ProxyEvent::new(history.revision, notice));
        });
    }

    /// Everything so far is forgotten, and more that nobody was told of.
    pub(crate) fn forget(&self, more: u64) {
        self.history.send_modify(|history| {
            history.revision += more;
            history.forgotten = history.revision;
            history.events.clear();
        });
    }

    /// It starts anew, with another history.
    pub(crate) fn start_anew(&self, revision: u64) {
        self.history.send_modify(|history| {
            *history = History {
                revision,
                ..History::default()
            }
        });
    }
}

async fn events(
    State(history): State<Arc<watch::Sender<History>>>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<EventPage> {
    assert_eq!(query["slot"], "weir/default/cache-tier/edge-cache");
    let mut changes = history.subscribe();
    let now = changes.borrow().revision;
    let Some(after) = query.get("cursor") else {
        return Json(EventPage {
            cursor: now,
            ..EventPage::default()
        });
    };
    let after: u64 = after.parse().unwrap();
    let is_news = |history: &History| history.revision != after;
    let history = changes.wait_for(is_news).await.unwrap().clone();
    let reset = after > history.revision || after < history.forgotten;
    let news = history
        .events
        .into_iter()
        .filter(|event| !reset && event.revision > after);
    Json(EventPage {
        cursor: history.revision,
        reset,
        events: news.collect(),
    })
}
