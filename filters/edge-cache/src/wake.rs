//! Waking those who wait.

use std::rc::Rc;

use weir_host::port::{Host, QueueId, RootHost};
use weir_http_cache::FwdReason;

use crate::EdgeCacheFilter;
use crate::counts::{Miss, Outcome};
use crate::forwarded::Forwarded;
use crate::post::Message;
use crate::request::Step;
use crate::visit::{State, Visit};

impl EdgeCacheFilter {
    /// What `message` is about has changed: all who wait for it, here and where it is asked for in other workers, look again.
    ///
    /// Those who wait here do so in a callback of the root. Where a callback of one stream answers another, Envoy takes it for
    /// an answer to its own (`stopNextIteration` in proxy-wasm-cpp-host), and what it has at hand goes no further.
    pub(crate) fn wake(&self, message: Message, others: bool, now_ms: u64, host: &impl Host) {
        if others && let Err(error) = self.memory.post.tell_others(message, &self.slot, now_ms, host) {
            self.log(error, "other workers were not told", host);
        }
        if self.memory.waiting.count(message.policy, message.key) > 0 {
            self.memory.news.borrow_mut().push(message);
            // Where there is no queue yet, the next tick does it.
            let _ = self.memory.post.call_root(host);
        }
    }

    #[inline(never)]
    fn wake_own(&self, message: Message, now_ms: u64, host: &impl Host) {
        for visit in self.memory.waiting.take(message.policy, message.key) {
            let step = self.step(&visit, true, now_ms, host);
            self.carry_out(&visit, step, host);
        }
    }

    /// Does with a held request what was decided.
    pub(crate) fn carry_out(&self, visit: &Rc<Visit>, step: Step, host: &impl Host) {
        let done = match step {
            Step::Answer(ready) => ready.send_held(visit, host).or_else(|_| {
                visit.set(State::Over);
                host.resume(visit.stream)
            }),
            Step::Forward(forwarded) => {
                visit.set(State::Forwarded(forwarded));
                host.resume(visit.stream)
            }
            Step::Hold => Ok(()),
        };
        if let Err(error) = done {
            self.log(error, "a held request could not be released", host);
        }
    }

    /// Lets a held request go on without keeping its answer.
    pub(crate) fn let_go(&self, visit: &Rc<Visit>, miss: Miss, now_ms: u64, host: &impl Host) {
        visit.policy.counts.request(Outcome::Miss(miss));
        let mut forwarded = Forwarded::unkept(FwdReason::Miss, now_ms);
        forwarded.collapsed = true;
        self.carry_out(visit, Step::Forward(forwarded), host);
    }

    /// Lets go on who has waited too long.
    pub(crate) fn give_up_waiting(&self, now_ms: u64, host: &impl RootHost) {
        for visit in self.memory.waiting.take_late(now_ms) {
            self.let_go(&visit, Miss::Late, now_ms, host);
        }
    }

    /// There is post: from other workers, or work for the root.
    pub(crate) fn read_post(&self, queue: QueueId, now_ms: u64, host: &impl RootHost) {
        while let Ok(Some(message)) = host.dequeue(queue) {
            if let Some(message) = Message::from_bytes(&message) {
                self.wake_own(message, now_ms, host);
            }
        }
        self.do_work(now_ms, host);
    }

    /// Does what waits for a callback of the root.
    pub(crate) fn do_work(&self, now_ms: u64, host: &impl RootHost) {
        loop {
            let next = self.memory.news.borrow_mut().pop();
            let Some(message) = next else {
                break;
            };
            self.wake_own(message, now_ms, host);
        }
        self.make_calls(host);
    }
}
