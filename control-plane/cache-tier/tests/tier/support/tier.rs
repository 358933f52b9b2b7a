//! A tier in this process, with connections of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use weir_cache_tier::{Settings, Tier};

use super::client::Client;
use super::control::Control;
use super::redis::Redis;
use super::until;

pub(crate) struct Served {
    pub(crate) client: Client,
    _tasks: JoinSet<()>,
}

/// Commands may take long on a machine that is busy; outages have settings of their own.
pub(crate) fn settings(redis: &Redis) -> Settings {
    Settings {
        redis: vec![redis.url()],
        timeout: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// Serves, whether Redis is there or not.
pub(crate) async fn serve(settings: Settings) -> Served {
    let tier: Arc<Tier> = Tier::try_new(settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let mut tasks = JoinSet::new();
    let router = tier.router();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    tasks.spawn(tier.run());
    Served {
        client,
        _tasks: tasks,
    }
}

/// Serves, and Redis answers.
pub(crate) async fn ready(settings: Settings) -> Served {
    let served = serve(settings).await;
    until("the tier has Redis", async || is_up(&served.client).await).await;
    served
}

pub(crate) async fn is_up(client: &Client) -> bool {
    let text = client.get("/healthz").await.body;
    String::from_utf8_lossy(&text).contains(r#""redis":"up""#)
}

/// Serves what follows the purges of `control`, and knows them all.
pub(crate) async fn following(redis: &Redis, control: &Control) -> Served {
    let settings = Settings {
        control: Some(control.url()),
        ..settings(redis)
    };
    let served = ready(settings).await;
    caught_up(&served.client, control).await;
    served
}

/// All of the control plane's purges are in force.
pub(crate) async fn caught_up(client: &Client, control: &Control) {
    let revision = control.revision() as f64;
    until("the tier knows the purges", async || {
        client.metric("weir_cache_tier_purge_revision", "default").await == revision
    })
    .await;
}
