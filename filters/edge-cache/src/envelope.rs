//! What is stored of an object beside the object: eight bytes of the revision of purges with which its fill began, and four
//! of the checksum with which its body is unpacked, little-endian.

use std::rc::Rc;

use weir_cache_store::Content;
use weir_http_cache::{Head, Object, StoredBody};

const REVISION_BYTES: usize = 8;
const HEADER_BYTES: usize = REVISION_BYTES + 4;

/// An object as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    content: Rc<Content>,
    envelope: Rc<Envelope>,
}

/// What stands before the body.
#[derive(Clone, Debug)]
struct Envelope {
    object: Object,
    revision: u64,
    checksum: u32,
    body_at: usize,
}

/// The bytes to be stored.
pub(crate) fn write(revision: u64, checksum: u32, object: &Object, body: &[u8]) -> Vec<u8> {
    let mut bytes = revision.to_le_bytes().to_vec();
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend(object.to_bytes(body));
    bytes
}

/// The revision and the object in bytes that [`write`] made.
pub(crate) fn open(bytes: &[u8]) -> Option<(u64, Object)> {
    let (revision, rest) = bytes.split_first_chunk::<REVISION_BYTES>()?;
    let (object, _) = Object::from_bytes(rest.get(4..)?)?;
    Some((u64::from_le_bytes(*revision), object))
}

impl Stored {
    /// The object in what was stored; none where it is none.
    pub(crate) fn read(content: Rc<Content>) -> Option<Self> {
        let envelope = content.read_once(|bytes| {
            let envelope = Envelope::read(bytes)?;
            // What its head holds in buffers of its own stood before the body.
            let size = size_of::<Envelope>() + envelope.body_at;
            Some((envelope, size))
        })?;
        Some(Self { content, envelope })
    }

    pub(crate) fn object(&self) -> &Object {
        &self.envelope.object
    }

    /// The same body with another head.
    pub(crate) fn with_head(&self, head: Head) -> Self {
        let mut envelope = (*self.envelope).clone();
        envelope.object.head = head;
        Self {
            content: Rc::clone(&self.content),
            envelope: Rc::new(envelope),
        }
    }

    /// The bytes to be stored, of a fill that began with `revision`.
    pub(crate) fn to_bytes(&self, revision: u64) -> Vec<u8> {
        write(revision, self.checksum(), self.object(), self.body())
    }

    /// As it was stored.
    pub(crate) fn body(&self) -> &[u8] {
        self.content.get(self.envelope.body_at..).unwrap_or_default()
    }

    /// How long the body is, and how it is stored.
    pub(crate) fn measured(&self) -> StoredBody {
        StoredBody {
            bytes: u64::try_from(self.body().len()).unwrap_or(u64::MAX),
            encoding: self.object().encoding,
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn revision(&self) -> u64 {
        self.envelope.revision
    }

    pub(crate) fn checksum(&self) -> u32 {
        self.envelope.checksum
    }
}

impl Envelope {
    fn read(content: &[u8]) -> Option<Self> {
        let (revision, rest) = content.split_first_chunk::<REVISION_BYTES>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (object, body_at) = Object::from_bytes(rest)?;
        Some(Self {
            object,
            revision: u64::from_le_bytes(*revision),
            checksum: u32::from_le_bytes(*checksum),
            body_at: HEADER_BYTES + body_at,
        })
    }
}
