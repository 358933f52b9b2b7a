//! Runs what is to be fetched before anybody asks for it: when its time comes, and when somebody says so.

mod book;
mod keys;
mod progress;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_core::cache::{Due, WarmDone, WarmOutcome, WarmRequest};
use weir_core::refusal::Refusal;
use weir_store::EventStore;

pub(crate) use book::WarmBook;

use crate::control::{Controller, now_ms};
use crate::serve::until;

/// The longest sleep: the clock may step.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The most runs that begin at once; others are left out, and run when they are due again.
const MAX_BEGINNING: usize = 64;

/// Runs strategies until `stopped`.
pub(crate) async fn run<S: EventStore + 'static>(
    controller: Arc<Controller<S>>,
    stopped: watch::Receiver<bool>,
) {
    let mut changes = controller.world().changes();
    let mut beginning = JoinSet::new();
    let stop = until(stopped);
    tokio::pin!(stop);
    loop {
        let (due, sleep) = look(&controller);
        for due in due {
            if beginning.len() < MAX_BEGINNING {
                beginning.spawn(begin(Arc::clone(&controller), due));
            } else {
                tracing::warn!(policy = %due.policy, strategy = %due.strategy, "too many runs begin at once");
                controller.warm_book().ended(WarmOutcome::LeftOut);
            }
        }
        tokio::select! {
            () = &mut stop => return,
            changed = changes.changed() => if changed.is_err() { return },
            Some(_) = beginning.join_next() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// What is due, and how long nothing else is.
fn look<S: EventStore + 'static>(controller: &Controller<S>) -> (Vec<Due>, Duration) {
    let now = now_ms();
    let current = controller.world().current();
    controller.warm_book().with_times(|times| {
        times.follow(&current.state, now);
        let due = times.due(now);
        let next = times
            .next_ms()
            .map(|next| Duration::from_millis(next.saturating_sub(now)));
        (due, next.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP))
    })
}

async fn begin<S: EventStore + 'static>(controller: Arc<Controller<S>>, due: Due) {
    let request = WarmRequest {
        namespace: due.policy.namespace.clone(),
        policy: due.policy.name.clone(),
        strategy: Some(due.strategy.clone()),
        urls: None,
    };
    let begun = start(&controller, &request).await;
    match &begun {
        Ok(done) => {
            tracing::info!(policy = %due.policy, strategy = %due.strategy, job = done.job, urls = done.urls,
            proxies = done.proxies, "run begun")
        }
        Err(error) => {
            tracing::warn!(policy = %due.policy, strategy = %due.strategy, %error, "a run could not begin");
        }
    }
    controller
        .warm_book()
        .begun(due, begun.err().map(|error| error.to_string()));
}

/// Begins a run: answers once it is durable.
pub(crate) async fn start<S: EventStore + 'static>(
    controller: &Controller<S>,
    request: &WarmRequest,
) -> Result<WarmDone, Refusal> {
    let book = controller.warm_book();
    let begun = plan(controller, request).await;
    match &begun {
        Ok(done) => book.durable(&request.namespace, done, now_ms()),
        Err(_) => book.ended(WarmOutcome::NotBegun),
    }
    begun
}

async fn plan<S: EventStore + 'static>(
    controller: &Controller<S>,
    request: &WarmRequest,
) -> Result<WarmDone, Refusal> {
    let job = controller.world().current().state.warm_job(request)?;
    let urls = match job.source() {
        Ok(urls) => urls.to_vec(),
        Err(keys) => keys::fetch(&keys.url, controller.outbound())
            .await
            .and_then(|document| job.paths(keys, &document))
            .map_err(|detail| keys::refused(&keys.url, &detail))?,
    };
    controller.warm_run(&job, &urls).await
}
