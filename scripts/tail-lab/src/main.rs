//! Replicas with a tail, and an open loop of requests to them: what a proxy makes of the tail.
//!
//! One process is both ends: replicas on loopback, whose answers take a time drawn for the request and its try, and a load that
//! goes to the proxy between them, at a fixed rate whatever becomes of the requests before. Times count from when a request was *meant* to
//! leave, so that a stall is not left out (no coordinated omission); they are known to about a millisecond, as tokio's timer is. A
//! logical request may be several; it takes as long as the slowest of them. Every body is told by its request, and checked.
//!
//! Two runs of one scenario draw the same times: what differs is the proxy. A replica has no queue, so that it is as fast under any
//! load. The proxy has to tell replicas the try's number, `x-envoy-attempt-count`.
//!
//! ```text
//! weir-tail-lab --scenario scenario.json > result.json
//! ```

mod body;
mod client;
mod load;
mod quantiles;
mod replica;
mod report;
mod scenario;
mod seen;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

use scenario::Scenario;
use seen::Seen;

/// Sends the requests of a scenario to a proxy, answers them behind it, and says how long they took.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The scenario, JSON
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let text =
        std::fs::read(&args.scenario).with_context(|| format!("cannot read {}", args.scenario.display()))?;
    let scenario = Scenario::read(&text).with_context(|| args.scenario.display().to_string())?;
    let seen = Arc::new(Seen::new(scenario));
    for (number, port) in seen.scenario.replicas.iter().enumerate() {
        let socket = TcpListener::bind(("127.0.0.1", *port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        tokio::spawn(replica::serve(number, socket, Arc::clone(&seen)));
    }
    let logical = load::run(&seen).await;
    let report = report::Report::of(&seen, &logical);
    let mut out = std::io::stdout();
    serde_json::to_writer(&mut out, &report).context("cannot print the result")?;
    writeln!(out).context("cannot print the result")
}
