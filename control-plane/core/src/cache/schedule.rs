//! When what is to be fetched beforehand is fetched.

use std::fmt;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::document::mode::Mode;
use weir_policy::document::{Identity, Kind, Spec};
use weir_policy::name::Name;

use crate::event::Revision;
use crate::state::State;

/// Times by a cron expression, in UTC.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    text: String,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl Schedule {
    /// Reads five fields, or six: seconds first.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields = text.split_whitespace().count();
        if !(5..=6).contains(&fields) {
            return Err(format!("{fields} fields: expected 5, or 6 with seconds first"));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| error.to_string())?;
        Ok(Self {
            cron,
            text: text.to_owned(),
        })
    }

    /// The first time after `now_ms`, both Unix ms; none: there is none that is near enough to be looked for.
    pub fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let now = DateTime::<Utc>::from_timestamp_millis(i64::try_from(now_ms).ok()?)?;
        let next = self.cron.find_next_occurrence(&now, false).ok()?;
        u64::try_from(next.timestamp_millis()).ok()
    }
}

/// When each strategy runs next.
#[derive(Clone, Debug, Default)]
pub struct Timetable {
    revision: Option<Revision>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    policy: Identity,
    strategy: Name,
    schedule: Schedule,
    next_ms: Option<u64>,
}

/// A strategy whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Its policy.
    pub policy: Identity,
    /// Its name.
    pub strategy: Name,
}

impl Timetable {
    /// Follows the documents: a strategy whose schedule is the same keeps its next time. What was due while nobody looked at
    /// the table is not made up for.
    pub fn follow(&mut self, state: &State, now_ms: u64) {
        if self.revision == Some(state.documents_revision()) {
            return;
        }
        self.revision = Some(state.documents_revision());
        let before = std::mem::take(&mut self.entries);
        for (identity, spec) in warming_policies(state) {
            for strategy in &spec.warming {
                let same = before.iter().find(|entry| {
                    entry.policy == *identity
                        && entry.strategy == strategy.name
                        && entry.schedule.text == strategy.schedule
                });
                let new = || {
                    let schedule = Schedule::parse(&strategy.schedule).ok()?;
                    Some(Entry {
                        policy: identity.clone(),
                        strategy: strategy.name.clone(),
                        next_ms: schedule.next_ms(now_ms),
                        schedule,
                    })
                };
                self.entries.extend(same.cloned().or_else(new));
            }
        }
    }

    /// The strategies whose time has come; each once, however often it would have come.
    pub fn due(&mut self, now_ms: u64) -> Vec<Due> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if entry.next_ms.is_some_and(|next_ms| next_ms <= now_ms) {
                entry.next_ms = entry.schedule.next_ms(now_ms);
                due.push(Due {
                    policy: entry.policy.clone(),
                    strategy: entry.strategy.clone(),
                });
            }
        }
        due
    }

    /// When the next one is due, Unix ms.
    pub fn next_ms(&self) -> Option<u64> {
        self.entries.iter().filter_map(|entry| entry.next_ms).min()
    }

    /// When a strategy is due.
    pub fn next_of(&self, policy: &Identity, strategy: &Name) -> Option<u64> {
        let of = |entry: &&Entry| entry.policy == *policy && entry.strategy == *strategy;
        self.entries.iter().find(of)?.next_ms
    }
}

/// Every policy with strategies that is not switched off.
pub(super) fn warming_policies(state: &State) -> impl Iterator<Item = (&Identity, &CachePolicySpec)> {
    let policies = state
        .documents()
        .filter(|(identity, _)| identity.kind == Kind::CachePolicy);
    policies.filter_map(|(identity, stored)| match &stored.document.spec {
        Spec::CachePolicy(spec) if spec.mode != Mode::Off && !spec.warming.is_empty() => {
            Some((identity, spec.as_ref()))
        }
        _ => None,
    })
}
