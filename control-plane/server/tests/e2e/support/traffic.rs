//! Load in the background, bounded in number and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::client::{Answer, Client};
use super::wait::until;

const CLIENTS: usize = 4;
/// More than any test sends.
const MAX_REQUESTS: u64 = 200_000;

/// Says what is wrong with an answer.
pub(crate) type Judge = fn(&Answer) -> Result<(), String>;

pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Traffic {
    /// Requests with ever new keys, one after the other from each client.
    pub(crate) fn start(client: &Client) -> Self {
        Self::judged(client, None, |_| Ok(()))
    }

    /// The same with this `Authorization`; what `judge` finds wrong with a good answer is a failure too.
    pub(crate) fn judged(client: &Client, authorization: Option<&str>, judge: Judge) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..CLIENTS)
            .map(|_| {
                let authorization = authorization.map(str::to_owned);
                tokio::spawn(work(
                    client.clone(),
                    authorization,
                    judge,
                    stop.clone(),
                    sent.clone(),
                ))
            })
            .collect();
        Self { stop, sent, tasks }
    }

    /// Waits until `count` more requests have been answered.
    pub(crate) async fn more(&self, count: u64) {
        let goal = self.sent.load(Ordering::Relaxed) + count;
        until("traffic flows", async || {
            (self.sent.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    /// Ends it. Panics when a request failed.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.unwrap());
        }
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{} of {sent} failed: {:?}",
            failures.len(),
            failures.first()
        );
    }
}

async fn work(
    client: Client,
    authorization: Option<String>,
    judge: Judge,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
) -> Vec<String> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        if number >= MAX_REQUESTS {
            break;
        }
        let key = format!("user-{number}");
        let mut headers = vec![("x-user-id", key.as_bytes())];
        headers.extend(
            authorization
                .iter()
                .map(|value| ("authorization", value.as_bytes())),
        );
        match client.send(http::Method::GET, "/", &headers, "").await {
            Ok(answer) if answer.status.is_success() => {
                failures.extend(judge(&answer).err().map(|error| format!("{key}: {error}")));
            }
            Ok(answer) => failures.push(format!("{key}: {} {}", answer.status, answer.text())),
            Err(error) => failures.push(format!("{key}: {error}")),
        }
    }
    failures
}
