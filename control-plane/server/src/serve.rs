//! `weir serve`: store, REST and xDS in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use weir_cli::options::ServeOptions;
use weir_core::proxy::Proxies;
use weir_rest::Control;
use weir_store::SqliteStore;

use crate::control::{Controller, now_ms};
use crate::http::{self, Versions};
use crate::world::World;
use crate::{catalog, cdn, outbound, warm};

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let modules_dir = weir_cli::modules_folder(options.modules_dir.as_deref())?;
    let modules = catalog::read(&modules_dir)?;
    let rest = bind("REST", "--listen", options.listen).await?;
    let xds = bind("xDS", "--xds-listen", options.xds_listen).await?;
    let world = Arc::new(World::new(modules));
    let proxies = Arc::new(Proxies::default());
    let store = SqliteStore::open(&options.data_dir).await?;
    let (stop, stopped) = watch::channel(false);
    let (shown, known) = (Arc::clone(&world), Arc::clone(&proxies));
    let outbound = outbound::client(outbound::authorities())?;
    let opened = Controller::open(store, shown, known, modules_dir, outbound, stopped).await?;
    let controller = Arc::new(opened);
    apply_files(&*controller, &options.files).await?;
    tracing::info!(rest = %rest.local_addr()?, xds = %xds.local_addr()?, data = %options.data_dir.display(),
        revision = world.current().state.revision(), "serving");
    let ended = run(rest, xds, &controller, world, proxies, stop).await;
    controller.close().await;
    tracing::info!("ended");
    ended
}

async fn run(
    rest: TcpListener,
    xds: TcpListener,
    controller: &Arc<Controller<SqliteStore>>,
    world: Arc<World>,
    proxies: Arc<Proxies>,
    stop: watch::Sender<bool>,
) -> anyhow::Result<()> {
    let changes = world.changes();
    let metrics = Arc::new(weir_rest::Metrics::new(
        env!("CARGO_PKG_VERSION"),
        std::time::SystemTime::now(),
    ));
    let router = weir_rest::router(Arc::clone(controller), metrics, rest_settings());
    let ads = weir_xds::AdsService::new(world, changes, proxies, now_ms, weir_xds::Options::default());
    let told = tokio::spawn(cdn::run(
        Arc::clone(controller),
        cdn::Tries::default(),
        stop.subscribe(),
    ));
    let warmed = tokio::spawn(warm::run(Arc::clone(controller), stop.subscribe()));
    let mut xds_server = tokio::spawn(ads.serve(xds, until(stop.subscribe())));
    let mut rest_server = tokio::spawn(http::serve(rest, router, Versions::One, until(stop.subscribe())));
    tokio::select! {
        signal = signal() => signal?,
        ended = &mut xds_server => bail!("the xDS server ended: {ended:?}"),
        ended = &mut rest_server => bail!("the REST server ended: {ended:?}"),
    }
    stop.send_replace(true);
    told.await?;
    warmed.await?;
    xds_server.await?.context("the xDS server")?;
    rest_server.await?.context("the REST server")
}

/// Filters call the API by the name of their cluster.
fn rest_settings() -> weir_rest::Settings {
    weir_rest::Settings {
        hosts: vec![weir_core::control::CLUSTER.to_owned()],
        ..weir_rest::Settings::default()
    }
}

/// Waits until it is so.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits until the process is told to end.
pub(crate) async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending");
    Ok(())
}

/// Listens; what can't be is said with the flag that changes it.
pub(crate) async fn bind(what: &str, flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "{what} is open to the network, without TLS and without a login");
    }
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "{what} can't listen on {address}: end what listens there, or choose another address with {flag}"
        )
    })
}

async fn apply_files(control: &impl Control, files: &[PathBuf]) -> anyhow::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let loaded = weir_documents::load(files)?;
    let documents = loaded.iter().map(|document| document.value.clone()).collect();
    match control.apply(documents, false).await {
        Ok(applied) => {
            tracing::info!(
                documents = applied.documents.len(),
                revision = applied.revision,
                "files applied"
            );
            Ok(())
        }
        Err(weir_core::refusal::Refusal::Invalid(problems)) => {
            bail!("{}", weir_documents::describe(&problems, &loaded))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
