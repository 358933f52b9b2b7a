//! Leases on shares of fleet-wide limits.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde::Serialize;
use weir_core::lease::{self, SharedLimit};
use weir_policy::proxy::{LeaseAnswer, LeaseReport};

use crate::app::App;
use crate::body;
use crate::control::Control;
use crate::problem::{MALFORMED, ProblemDetails};
use crate::query::NoQuery;

/// The largest report, bytes.
const MAX_BODY: usize = 1 << 20;

/// A report that can be meant.
pub(crate) struct Report(LeaseReport);

impl<C: Control> FromRequest<App<C>> for Report {
    type Rejection = ProblemDetails;

    async fn from_request(request: Request, app: &App<C>) -> Result<Self, ProblemDetails> {
        let max = MAX_BODY.min(app.settings.max_body);
        let report = body::json(request, max, app.settings.body_timeout).await?;
        lease::check(&report).map_err(|detail| ProblemDetails::new(&MALFORMED, detail))?;
        Ok(Self(report))
    }
}

/// `{"items": […]}`
#[derive(Serialize)]
pub(crate) struct SharedLimits {
    items: Vec<SharedLimit>,
}

pub(crate) async fn report<C: Control>(
    State(app): State<App<C>>,
    _: NoQuery,
    Report(report): Report,
) -> Json<LeaseAnswer> {
    app.metrics.lease_reported();
    Json(app.control.lease(&report))
}

pub(crate) async fn list<C: Control>(State(app): State<App<C>>, _: NoQuery) -> Json<SharedLimits> {
    Json(SharedLimits {
        items: app.control.leases(),
    })
}
