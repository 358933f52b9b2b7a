//! What Envoy prints: lines of probes are kept, by scenario.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;

use tokio::sync::watch;

/// Said once the listeners are there.
const READY: &str = "starting workers";

/// The last line.
const ENDED: &str = "Envoy has ended";

#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<watch::Sender<Vec<Line>>>,
}

#[derive(Clone)]
pub(super) struct Line {
    worker: bool,
    /// The `vm_id`; empty for Envoy's own lines.
    scenario: String,
    /// `filter: text`
    text: String,
}

/// The lines of one scenario.
#[derive(Clone)]
pub(super) struct ScenarioLog {
    log: Log,
    name: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: Arc::new(watch::Sender::new(Vec::new())),
        }
    }
}

impl Log {
    /// Reads to the end, in a thread of its own; everything is copied into a file.
    pub(super) fn follow(&self, output: impl Read + Send + 'static, mut copy: std::fs::File) {
        let lines = Arc::clone(&self.lines);
        std::thread::spawn(move || {
            let mut main_thread = None;
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let _ = writeln!(copy, "{line}");
                let Some((thread, text)) = line.split_once('|') else {
                    continue;
                };
                let main_thread = main_thread.get_or_insert_with(|| thread.to_owned());
                if let Some(line) = parse(thread != main_thread, text) {
                    lines.send_modify(|lines| lines.push(line));
                }
            }
            lines.send_modify(|lines| lines.push(Line::ended()));
        });
    }

    /// Envoy has crashed.
    pub(super) fn has_ended(&self) -> bool {
        self.lines.borrow().last().is_some_and(|line| line.text == ENDED)
    }

    pub(super) async fn ready(&self) {
        self.until(|line| line.text.contains(READY), 1).await;
    }

    /// Waits until one of the scenario's filters has said something that contains this.
    pub(super) async fn said(&self, scenario: &str, text: &str, times: usize) {
        let wait = self.until(
            |line| line.worker && line.scenario == scenario && line.text.contains(text),
            times,
        );
        if tokio::time::timeout(super::DEADLINE, wait).await.is_err() || self.has_ended() {
            panic!(
                "never said: {text:?}; what was:\n{}",
                self.of(scenario).join("\n")
            );
        }
    }

    async fn until(&self, which: impl Fn(&Line) -> bool, times: usize) {
        let mut lines = self.lines.subscribe();
        let found = lines.wait_for(|lines| {
            let ended = lines.last().is_some_and(|line| line.text == ENDED);
            ended || lines.iter().filter(|line| which(line)).count() >= times
        });
        found.await.unwrap();
    }

    /// What was said on the worker.
    pub(super) fn of(&self, scenario: &str) -> Vec<String> {
        let lines = self.lines.borrow();
        let of_scenario = lines
            .iter()
            .filter(|line| line.worker && line.scenario == scenario);
        of_scenario.map(|line| line.text.clone()).collect()
    }

    pub(super) fn scenario(&self, name: &str) -> ScenarioLog {
        ScenarioLog {
            log: self.clone(),
            name: name.to_owned(),
        }
    }
}

impl Line {
    fn ended() -> Self {
        Self {
            worker: false,
            scenario: String::new(),
            text: ENDED.to_owned(),
        }
    }
}

impl ScenarioLog {
    pub(super) async fn said(self, text: &'static str) {
        self.log.said(&self.name, text, 1).await;
    }
}

/// `wasm log <plugin> [<root id>] <vm id>: <text>`
fn parse(worker: bool, text: &str) -> Option<Line> {
    let Some(rest) = text.strip_prefix("wasm log ") else {
        return text.contains(READY).then(|| Line {
            worker,
            scenario: String::new(),
            text: text.to_owned(),
        });
    };
    let (prefix, said) = rest.split_once(": ")?;
    let (plugin, rest) = prefix.split_once(' ')?;
    Some(Line {
        worker,
        scenario: rest.rsplit(' ').next()?.to_owned(),
        text: format!("{plugin}: {said}"),
    })
}
