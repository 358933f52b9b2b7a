//! Hears when something came of a fill, here or in another tier.

use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisResult;

use crate::rooms::Rooms;
use crate::store::{CHANNEL, client};

/// Between two attempts to listen; those who wait ask by themselves.
const PAUSE: Duration = Duration::from_millis(250);

/// Listens on one node after the other: in a cluster each hears what is said on any.
pub(crate) async fn listen(nodes: &[String], rooms: &Rooms) {
    for node in nodes.iter().cycle() {
        if let Err(error) = listen_on(node, rooms).await {
            tracing::debug!(%error, "no messages from Redis");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_on(node: &str, rooms: &Rooms) -> RedisResult<()> {
    let mut messages = client(node)?.get_async_pubsub().await?;
    messages.subscribe(CHANNEL).await?;
    let mut messages = messages.into_on_message();
    while let Some(message) = messages.next().await {
        rooms.wake(&message.get_payload::<String>()?);
    }
    Ok(())
}
