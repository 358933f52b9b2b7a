//! Bodies as scenarios write them, and as they are read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::log::ScenarioLog;
use crate::scenario::Part;

/// A body that is sent part by part.
pub(super) struct Script {
    parts: VecDeque<Part>,
    log: ScenarioLog,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the scenario resets the stream here")]
pub(super) struct Reset;

impl Script {
    pub(super) fn new(parts: Vec<Part>, log: ScenarioLog) -> Self {
        Self {
            parts: parts.into(),
            log,
            waiting: None,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            return Poll::Ready(Some(Ok(match self.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(Part::Chunk(text)) => Frame::data(Bytes::from_static(text.as_bytes())),
                Some(Part::Large(size)) => Frame::data(Bytes::from(vec![b'x'; size])),
                Some(Part::Trailers(trailers)) => Frame::trailers(map(&trailers)),
                Some(Part::Reset) => return Poll::Ready(Some(Err(Reset))),
                Some(Part::Said(text)) => {
                    self.waiting = Some(Box::pin(self.log.clone().said(text)));
                    continue;
                }
            })));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }
}

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

/// Names and values as text.
pub(super) fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().escape_ascii().to_string()))
        .collect()
}

/// A body and its trailers, as a trace shows them; `reset` where it breaks off.
pub(super) async fn read(mut body: Incoming) -> String {
    let (mut bytes, mut trailers) = (Vec::new(), String::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return format!("{}{trailers} reset", crate::trace::body(&bytes));
        };
        match frame.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => {
                let found = frame.into_trailers().unwrap_or_default();
                trailers = format!(" trailers {}", crate::trace::shown(&texts(&found), &[]));
            }
        }
    }
    format!("{}{trailers}", crate::trace::body(&bytes))
}
