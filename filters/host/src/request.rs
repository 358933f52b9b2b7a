//! The request at hand, read as far as it is needed, each header once.

use std::cell::{Cell, OnceCell};

use weir_route_match::RequestView;

use crate::error::HostError;
use crate::port::RequestHeaders;

/// A [`RequestView`] over the host: a header is asked for when it is first read, and kept.
///
/// A header that the host fails to give reads as absent; whoever decides something by this view looks at
/// [`Request::failure`] before acting on the decision.
#[derive(Debug)]
pub struct Request<'h, H> {
    host: &'h H,
    read: Chunk,
    failure: Cell<Option<HostError>>,
}

impl<'h, H: RequestHeaders> Request<'h, H> {
    /// The request of the stream at hand.
    pub fn new(host: &'h H) -> Self {
        Self {
            host,
            read: Chunk::default(),
            failure: Cell::new(None),
        }
    }

    /// The last failure to read a header.
    pub fn failure(&self) -> Option<HostError> {
        self.failure.get()
    }

    fn ask(&self, name: &str) -> Option<Vec<u8>> {
        self.host.get(name).unwrap_or_else(|error| {
            self.failure.set(Some(error));
            None
        })
    }
}

impl<H: RequestHeaders> RequestView for Request<'_, H> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.read.get_or_read(name, || self.ask(name))
    }
}

/// Headers that were read, in place: most requests need fewer than fit, and then nothing is allocated for them.
#[derive(Debug, Default)]
struct Chunk {
    entries: [OnceCell<Entry>; 6],
    more: OnceCell<Box<Chunk>>,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    value: Option<Vec<u8>>,
}

impl Chunk {
    fn get_or_read(&self, name: &str, read: impl FnOnce() -> Option<Vec<u8>>) -> Option<&[u8]> {
        let is_it = |entry: &&OnceCell<Entry>| entry.get().is_none_or(|entry| entry.name.is(name));
        let Some(entry) = self.entries.iter().find(is_it) else {
            return self.more.get_or_init(Box::default).get_or_read(name, read);
        };
        let entry = entry.get_or_init(|| Entry {
            name: Name::new(name),
            value: read(),
        });
        entry.value.as_deref()
    }
}

/// A header's name, in place unless it is long.
#[derive(Debug)]
enum Name {
    Short(u8, [u8; 30]),
    Long(Box<[u8]>),
}

impl Name {
    fn new(name: &str) -> Self {
        let mut bytes = [0; 30];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name.as_bytes());
                Self::Short(length, bytes)
            }
            _ => Self::Long(name.as_bytes().into()),
        }
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)) == Some(name.as_bytes()),
            Self::Long(bytes) => **bytes == *name.as_bytes(),
        }
    }
}
