//! What an ACK or a NACK does to a type's ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_core::snapshot::{Resource, ResourceType, version_info};

use super::exchange::{Output, Record};
use super::ledger::{Batch, Ledger};
use super::refusal::{Blame, Refused, Retry};

/// Envoy's words and their hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complaint<'a> {
    pub(super) message: &'a str,
    /// Milliseconds since the start of the stream.
    pub(super) at: u64,
}

impl Ledger {
    /// Takes the answer to the response with this nonce, and with it to those sent before; says whether there was one.
    pub(super) fn answer(
        &mut self,
        nonce: &str,
        complaint: Option<Complaint<'_>>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(position) = self.in_flight.iter().position(|batch| batch.nonce == nonce) else {
            return false;
        };
        let batches: Vec<Batch> = self.in_flight.drain(..=position).collect();
        nonce.clone_into(&mut self.answered);
        out.push(Output::Record(Record::Answered {
            resource_type: self.resource_type,
            taken: complaint.is_none(),
        }));
        match complaint {
            None => self.accept(batches, out),
            Some(complaint) => self.refuse(batches, complaint, out),
        }
        true
    }

    fn accept(&mut self, batches: Vec<Batch>, out: &mut Vec<Output>) {
        let mut version = String::new();
        let superseded = if self.is_full_set() {
            batches.len().saturating_sub(1)
        } else {
            0
        };
        if self.is_full_set() {
            self.known = true;
            self.doubtful.clear();
            self.stand_ins.clear();
        }
        for batch in batches.into_iter().skip(superseded) {
            self.take(&batch.resources);
            version = batch.version;
        }
        let unanswered = self.in_flight.iter().any(|batch| batch.version == version);
        if self.refused.is_empty() && !unanswered {
            self.record_acked(version, out);
        }
    }

    /// These are in force, those that are about to be removed as well.
    fn take(&mut self, resources: &[Arc<Resource>]) {
        for resource in resources {
            let name = &resource.name;
            if self.holds(resource) {
                self.refused.remove(name);
            }
            self.doubtful.retain(|doubtful| doubtful.name != *name);
            if self.told.contains_key(name) && !self.is_leaving(name) {
                self.note_taken(resource);
            } else if self.selects(name) {
                self.doubtful.push(Arc::clone(resource));
            }
        }
    }

    fn note_taken(&mut self, resource: &Arc<Resource>) {
        if !self.has(resource) {
            self.taken.insert(resource.name.clone(), Arc::clone(resource));
        }
    }

    /// Whether this content was refused.
    fn holds(&self, resource: &Resource) -> bool {
        let refused = self.refused.get(&resource.name);
        refused.is_some_and(|refused| refused.version == resource.version)
    }

    fn is_leaving(&self, name: &str) -> bool {
        let mut removed = self.in_flight.iter().flat_map(|batch| &batch.removed);
        removed.any(|resource| resource.name == name)
    }

    fn refuse(&mut self, mut batches: Vec<Batch>, complaint: Complaint<'_>, out: &mut Vec<Output>) {
        let Some(last) = batches.pop() else { return };
        let version = last.version.clone();
        let blame = Blame::read(
            complaint.message,
            last.resources.iter().map(|resource| &resource.name),
        );
        let news = last.resources.iter().filter(|resource| !self.has(resource));
        let named = if blame.names.is_empty() {
            news.map(|resource| resource.name.clone()).collect()
        } else {
            blame.names.clone()
        };
        if !batches.is_empty() {
            batches.push(last);
            self.doubt(batches);
        } else if self.is_full_set() && self.in_flight.is_empty() {
            self.refuse_set(last, &blame, complaint);
        } else if self.is_full_set() {
            self.note_doubt(last);
        } else {
            self.refuse_some(&last.resources, &blame, complaint);
        }
        self.version = version_info(self.told.values());
        out.push(self.nacked(version, complaint.message, named));
    }

    /// Envoy folds the answers to several responses into one while it holds them back, so that the words may be about
    /// any of them: all goes out again, at once.
    fn doubt(&mut self, batches: Vec<Batch>) {
        self.resync = true;
        for batch in batches {
            if !self.is_full_set() {
                self.untell(&batch.resources);
            }
            self.note_doubt(batch);
        }
    }

    /// It is open whether the response was applied: what it brought may be in force, and what it removed.
    fn note_doubt(&mut self, batch: Batch) {
        let news: Vec<_> = batch
            .resources
            .into_iter()
            .filter(|resource| !self.has(resource))
            .collect();
        self.doubtful.extend(news.into_iter().chain(batch.removed));
    }

    /// Resources that came with the refused ones may have been applied or not: they go out again.
    fn refuse_some(&mut self, resources: &[Arc<Resource>], blame: &Blame, complaint: Complaint<'_>) {
        let (named, rest) = split(resources, blame);
        if named.is_empty() {
            self.hold(&rest, false, complaint);
        } else {
            self.hold(&named, false, complaint);
            self.untell(&rest);
        }
    }

    fn refuse_set(&mut self, batch: Batch, blame: &Blame, complaint: Complaint<'_>) {
        let (named, rest) = split(&batch.resources, blame);
        if blame.rest_applied {
            self.hold(&named, true, complaint);
            self.doubtful
                .retain(|doubtful| blame.names.contains(&doubtful.name));
            self.take(&rest);
            self.known = true;
        } else if self.known {
            self.refuse_whole_set(&named, &rest, complaint);
            self.note_doubt(batch);
        } else {
            self.freeze(&named, &rest, complaint);
        }
    }

    /// Nothing of the set was applied, or it is not known how much: what is named is held back, and the rest goes out
    /// again if that can help.
    fn refuse_whole_set(
        &mut self,
        named: &[Arc<Resource>],
        rest: &[Arc<Resource>],
        complaint: Complaint<'_>,
    ) {
        let excludable = named.iter().any(|resource| !self.has(resource));
        self.hold(named, false, complaint);
        if !excludable {
            self.resync |= self.hold(rest, false, complaint);
        } else if named
            .iter()
            .any(|resource| self.tells(resource) && !self.has(resource))
        {
            self.hold(rest, false, complaint);
        } else {
            self.resync = true;
        }
    }

    /// The first full set of a stream was refused as a whole: the proxy keeps what it has, which is not known, so
    /// nothing is left out that it might have. It waits for a change.
    fn freeze(&mut self, named: &[Arc<Resource>], rest: &[Arc<Resource>], complaint: Complaint<'_>) {
        let blamed = if named.is_empty() { rest } else { named };
        for resource in blamed {
            self.note_refusal(resource, complaint);
        }
    }

    /// Holds content back that was refused; says whether any was that the proxy didn't take before.
    fn hold(&mut self, guilty: &[Arc<Resource>], alone: bool, complaint: Complaint<'_>) -> bool {
        let news: Vec<_> = guilty.iter().filter(|resource| !self.has(resource)).collect();
        for resource in &news {
            self.note_refusal(resource, complaint);
            self.fall_back(resource, alone);
        }
        !news.is_empty()
    }

    /// Instead of refused content the proxy is told what it has, or may have; a name that it may have from before this
    /// stream is not left out of a full set.
    fn fall_back(&mut self, refused: &Arc<Resource>, alone: bool) {
        let name = &refused.name;
        if !self.tells(refused) {
            return;
        }
        let may_be_older = !self.known || self.stand_ins.contains_key(name);
        if self.is_full_set() && alone && may_be_older && !self.taken.contains_key(name) {
            self.stand_ins.insert(name.clone(), refused.clone());
        }
        if let Some(doubtful) = self
            .untried(name)
            .filter(|_| !self.taken.contains_key(name))
            .cloned()
        {
            self.resync = true;
            self.told.insert(name.clone(), doubtful);
            return;
        }
        match self.taken.get(name).or_else(|| self.stand_ins.get(name)).cloned() {
            Some(standing) => self.told.insert(name.clone(), standing),
            None => self.told.remove(name),
        };
    }

    /// The newest content that may be in force and was not refused.
    fn untried(&self, name: &str) -> Option<&Arc<Resource>> {
        let refused = self.refused.get(name);
        let tried = |version| refused.is_some_and(|refused| refused.tried.contains(version));
        let mut doubtful = self.doubtful.iter().rev();
        doubtful.find(|resource| resource.name == name && !tried(&resource.version))
    }

    /// What stands in for refused content may be refused as well, which says nothing of that content.
    fn note_refusal(&mut self, resource: &Resource, complaint: Complaint<'_>) {
        let version = resource.version;
        let refused = self
            .refused
            .entry(resource.name.clone())
            .or_insert_with(|| Refused::new(version));
        refused.tried.insert(version);
        if refused.version == version {
            complaint.message.clone_into(&mut refused.message);
            if self.resource_type == ResourceType::ExtensionConfig {
                refused.retry = Some(Retry::after(refused.retry.as_ref(), complaint.at));
            }
        }
    }

    /// Makes the content go out again, unless the proxy has it or was told newer content since.
    fn untell(&mut self, resources: &[Arc<Resource>]) {
        for resource in resources {
            if self.tells(resource) && !self.has(resource) {
                self.told.remove(&resource.name);
            }
        }
    }

    fn tells(&self, resource: &Resource) -> bool {
        let told = self.told.get(&resource.name);
        told.is_some_and(|told| told.version == resource.version)
    }

    fn has(&self, resource: &Resource) -> bool {
        self.taken
            .get(&resource.name)
            .is_some_and(|taken| taken.version == resource.version)
    }

    fn nacked(&self, version: String, message: &str, mut names: BTreeSet<String>) -> Output {
        let mut messages = vec![message];
        for (name, refused) in self
            .refused
            .iter()
            .filter(|(_, refused)| refused.message != message)
        {
            names.insert(name.clone());
            if !messages.contains(&refused.message.as_str()) {
                messages.push(&refused.message);
            }
        }
        Output::Record(Record::Nacked {
            resource_type: self.resource_type,
            version,
            message: messages.join("; "),
            resources: names.into_iter().collect(),
        })
    }
}

/// Those that are named, and the rest.
fn split(resources: &[Arc<Resource>], blame: &Blame) -> (Vec<Arc<Resource>>, Vec<Arc<Resource>>) {
    let named = |resource: &Arc<Resource>| blame.names.contains(&resource.name);
    resources.iter().cloned().partition(named)
}
