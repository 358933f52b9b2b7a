//! `weir cache-tier`: the tier that all caches share, in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::sync::watch;
use weir_cache_tier::{Settings, Tier};
use weir_cli::CacheTierOptions;

use crate::http::{self, Versions};
use crate::serve::{bind, signal, until};

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn serve(options: CacheTierOptions) -> anyhow::Result<()> {
    let tier = Tier::try_new(settings(&options)?)?;
    let listener = bind("the cache tier", "--listen", options.listen).await?;
    if options.control.is_none() {
        tracing::warn!("no --control: purges are not followed");
    }
    tracing::info!(address = %listener.local_addr()?, nodes = options.redis.len(), control = options.control,
        "serving");
    let (stop, stopped) = watch::channel(false);
    let beside = tokio::spawn(Arc::clone(&tier).run());
    let mut server = tokio::spawn(http::serve(
        listener,
        tier.router(),
        Versions::OneAndTwo,
        until(stopped),
    ));
    tokio::select! {
        signal = signal() => signal?,
        ended = &mut server => bail!("the server ended: {ended:?}"),
    }
    stop.send_replace(true);
    let ended = server.await?;
    beside.abort();
    tracing::info!("ended");
    ended
}

fn settings(options: &CacheTierOptions) -> anyhow::Result<Settings> {
    let millis = |duration: weir_policy::quantity::Duration| Duration::from_millis(duration.as_millis());
    let (timeout, lease) = (millis(options.redis_timeout), millis(options.lease));
    ensure!(!timeout.is_zero(), "--redis-timeout 0s: expected 1ms or more");
    let leases = Duration::from_millis(100)..=Duration::from_secs(600);
    ensure!(
        leases.contains(&lease),
        "--lease {lease:?}: expected 100ms to 10m"
    );
    Ok(Settings {
        redis: options.redis.clone(),
        pool: usize::from(options.pool),
        timeout,
        max_object: usize::try_from(options.max_object_size.as_bytes())?,
        lease,
        max_waiting: usize::try_from(options.max_waiting)?,
        namespaces: options.namespaces.clone(),
        control: options.control.clone(),
        ..Settings::default()
    })
}
