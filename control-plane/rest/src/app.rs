//! What every handler has at hand.

use std::sync::Arc;

use weir_core::refusal::Refusal;

use crate::control::Control;
use crate::metrics::Metrics;
use crate::polls::Polls;
use crate::problem::{INTERNAL, ProblemDetails};
use crate::settings::Settings;

pub(crate) struct App<C> {
    pub(crate) control: Arc<C>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) polls: Arc<Polls>,
}

impl<C> Clone for App<C> {
    fn clone(&self) -> Self {
        Self {
            control: Arc::clone(&self.control),
            metrics: Arc::clone(&self.metrics),
            settings: Arc::clone(&self.settings),
            polls: Arc::clone(&self.polls),
        }
    }
}

impl<C: Control> App<C> {
    /// Runs a change to its end, also when the client goes away and this future with it: what is durable must also
    /// come into force.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
        conditional: bool,
    ) -> Result<T, ProblemDetails> {
        match tokio::spawn(change).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(refusal)) => {
                self.metrics.refused(refusal.reason());
                Err(ProblemDetails::from_refusal(refusal, conditional))
            }
            Err(error) => {
                tracing::error!(%error, "a change ended early");
                Err(ProblemDetails::new(
                    &INTERNAL,
                    "the change ended early; look at the documents to see whether it was made",
                ))
            }
        }
    }
}
