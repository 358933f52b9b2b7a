//! Answers that are ready to be sent.

use std::ops::Range;
use std::rc::Rc;

use weir_host::HostError;
use weir_host::port::{ForeignFunctions, HeldStreams, LocalReply, ResponseHost};
use weir_http_cache::{Answer, BodyPart, Encoding, Headers, Hit};

use crate::envelope::Stored;
use crate::visit::{State, Visit};

/// Bytes in front of the deflated body in gzip (RFC 1952 section 2.3) and in zlib (RFC 1950 section 2.2), and behind it.
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;
const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];

/// A body of so many bytes is put in the place of a short one while the answer passes: the host copies a body that it is
/// given with an answer four times, and one that it is given then once.
const LARGE: usize = 32 * 1024;

/// An answer.
#[derive(Debug)]
pub(crate) struct Ready {
    status: u16,
    headers: Headers,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    /// A part of what is stored.
    Stored(Stored, Range<usize>),
    Own(Rc<Vec<u8>>),
}

/// An answer that passes.
#[derive(Debug)]
pub(crate) struct Answered {
    /// It names its content type.
    typed: bool,
    /// The body that takes the place of the one that it was sent with.
    large: Option<Body>,
}

impl Ready {
    /// The answer that `stored` makes for a request; none: its body can't be unpacked.
    pub(crate) fn of_stored(
        visit: &Visit,
        stored: &Stored,
        hit: &Hit,
        host: &impl ForeignFunctions,
    ) -> Option<Self> {
        let object = stored.object();
        let body = stored.measured();
        let answer = visit.policy.rules.answer(&visit.request, &object.head, body, hit);
        let body = match (answer.body, object.encoding) {
            (BodyPart::None, _) => Body::None,
            (BodyPart::Gzip, _) | (BodyPart::Whole, Encoding::Identity) => {
                Body::Stored(stored.clone(), 0..stored.body().len())
            }
            (BodyPart::Range { from, to }, Encoding::Identity) => {
                Body::Stored(stored.clone(), range(from, to)?)
            }
            (BodyPart::Whole, Encoding::Zlib { .. }) => Body::Own(Rc::new(inflated(stored, host)?)),
            (BodyPart::Range { from, to }, Encoding::Zlib { .. }) => {
                Body::Own(Rc::new(inflated(stored, host)?.get(range(from, to)?)?.to_vec()))
            }
        };
        Some(Self {
            status: answer.status,
            headers: answer.headers,
            body,
        })
    }

    /// An answer without a body.
    pub(crate) fn bare(answer: Answer) -> Self {
        Self {
            status: answer.status,
            headers: answer.headers,
            body: Body::None,
        }
    }

    /// An answer that is not stored.
    pub(crate) fn passed_on(status: u16, mut headers: Headers, body: Vec<u8>) -> Self {
        headers.retain(|name, _| !name.starts_with(b":"));
        Self {
            status,
            headers,
            body: Body::Own(Rc::new(body)),
        }
    }

    /// The answer as it will pass, and the body that it is sent with. HEAD's has none to take another's place.
    fn begin(&self, visit: &Visit) -> (State, &[u8]) {
        let body = self.body.bytes();
        let large = body.len() >= LARGE && !visit.request.is_head();
        let state = State::Answered(Answered {
            typed: self.headers.get("content-type").is_some(),
            large: large.then(|| self.body.clone()),
        });
        (
            state,
            if large {
                body.get(..1).unwrap_or_default()
            } else {
                body
            },
        )
    }

    /// Answers the request whose headers are at hand.
    pub(crate) fn send(&self, visit: &Visit, host: &impl LocalReply) -> Result<(), HostError> {
        let (state, body) = self.begin(visit);
        visit.set(state);
        host.reply(self.status, &self.headers.to_pairs(), body)
    }

    /// Answers a request that was held.
    pub(crate) fn send_held(&self, visit: &Visit, host: &impl HeldStreams) -> Result<(), HostError> {
        let (state, body) = self.begin(visit);
        visit.set(state);
        host.answer_held(visit.stream, self.status, &self.headers.to_pairs(), body)
    }
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Stored(stored, range) => stored.body().get(range.clone()).unwrap_or_default(),
            Self::Own(body) => body,
        }
    }
}

impl Answered {
    /// Its headers pass. Envoy gives an answer without a content type one, and any the length of the body that it was sent with,
    /// which stays where another can't be told of.
    pub(crate) fn see_headers(&mut self, host: &impl ResponseHost) -> Result<(), HostError> {
        let untyped = if self.typed {
            Ok(())
        } else {
            host.remove("content-type")
        };
        let Some(large) = &self.large else {
            return untyped;
        };
        let length = large.bytes().len().to_string();
        host.set("content-length", length.as_bytes())
            .inspect_err(|_| self.large = None)
            .and(untyped)
    }

    /// Its body passes.
    pub(crate) fn see_body(&mut self, host: &impl ResponseHost) -> Result<(), HostError> {
        match self.large.take() {
            Some(large) => host.set_response_body(large.bytes()),
            None => Ok(()),
        }
    }
}

fn range(from: u64, to: u64) -> Option<Range<usize>> {
    Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

/// A body as gzip, and the checksum with which it is unpacked; none where the host can't compress it, or it would be no
/// shorter.
pub(crate) fn gzip(body: &[u8], host: &impl ForeignFunctions) -> Option<(Vec<u8>, u32)> {
    let zlib = host.call_foreign("compress", body).ok()?;
    let (rest, checksum) = zlib.split_last_chunk::<4>()?;
    let deflated = rest.get(ZLIB_HEADER.len()..)?;
    let mut gzip = Vec::with_capacity(GZIP_HEADER + deflated.len() + GZIP_TRAILER);
    gzip.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    gzip.extend_from_slice(deflated);
    gzip.extend_from_slice(&crc32(body).to_le_bytes());
    gzip.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    (gzip.len() < body.len()).then(|| (gzip, u32::from_be_bytes(*checksum)))
}

/// The body of an object that is stored as gzip.
fn inflated(stored: &Stored, host: &impl ForeignFunctions) -> Option<Vec<u8>> {
    let gzip = stored.body();
    let deflated = gzip.get(GZIP_HEADER..gzip.len().checked_sub(GZIP_TRAILER)?)?;
    let checksum = stored.checksum().to_be_bytes();
    let zlib = [ZLIB_HEADER.as_slice(), deflated, &checksum].concat();
    host.call_foreign("uncompress", &zlib).ok()
}

/// The checksum of gzip (RFC 1952 section 8), four bits at a time.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let step = |crc: u32, nibble: u32| {
        let index = usize::try_from((crc ^ nibble) & 15).unwrap_or_default();
        (crc >> 4) ^ TABLE.get(index).copied().unwrap_or_default()
    };
    let crc = bytes.iter().fold(!0, |crc, byte| {
        let byte = u32::from(*byte);
        step(step(crc, byte), byte >> 4)
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32/ISO-HDLC in the catalogue of CRC algorithms.
    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
