//! A stored response as bytes.

use crate::head::Head;
use crate::headers::Headers;
use crate::range::Part;
use crate::request::CacheRequest;
use crate::vary::VaryRule;
use crate::wire::{Reader, Writer};

const MARK: &[u8; 4] = b"WCO\x02";

/// How a body is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it came.
    #[default]
    Identity,
    /// Compressed here.
    Zlib {
        /// How long it was before.
        identity_len: u64,
    },
}

/// A stored response without its body, which stands behind it where it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The text of its key.
    pub key: Vec<u8>,
    /// What purges call it.
    pub url: Vec<u8>,
    /// Everything but the body.
    pub head: Head,
    /// How the body is stored.
    pub encoding: Encoding,
}

impl Object {
    /// The response to `request`, whose whole body has `body_bytes` as it came. `key` is that of the variant.
    pub fn new(
        request: &CacheRequest,
        key: Vec<u8>,
        mut head: Head,
        encoding: Encoding,
        body_bytes: u64,
    ) -> Self {
        if let Some(part) = &mut head.part {
            // Whatever `Content-Range` says of its end, this is what there is.
            part.bytes = body_bytes;
        }
        Self {
            key,
            url: request.url(),
            head,
            encoding,
        }
    }

    /// The object and its body as one, the body at the end.
    pub fn to_bytes(&self, body: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(MARK);
        let tags: usize = self.head.tags.iter().map(Vec::len).sum();
        let texts = self.key.len() + self.url.len() + self.head.headers.byte_len() + tags;
        writer.reserve(size_of::<Self>() + texts + body.len());
        writer.bytes(&self.key);
        writer.bytes(&self.url);
        match self.encoding {
            Encoding::Identity => writer.u64(u64::MAX),
            Encoding::Zlib { identity_len } => writer.u64(identity_len),
        }
        write_head(&mut writer, &self.head);
        writer.raw(body);
        writer.finish()
    }

    /// What [`Object::to_bytes`] wrote, and where in the bytes the body begins.
    pub fn from_bytes(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader::new(bytes, MARK)?;
        let (key, url) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
        let encoding = match reader.u64()? {
            u64::MAX => Encoding::Identity,
            identity_len => Encoding::Zlib { identity_len },
        };
        let object = Self {
            key,
            url,
            head: read_head(&mut reader)?,
            encoding,
        };
        Some((object, reader.position()))
    }
}

fn write_head(writer: &mut Writer, head: &Head) {
    writer.u64(head.status.into());
    for flag in [
        head.always_validate,
        head.forbids_stale,
        head.immutable,
        head.shared_authorized,
        head.compressible,
        head.part.is_some(),
        head.part.is_some_and(|part| part.to_end),
    ] {
        writer.u8(flag.into());
    }
    let part = head.part.unwrap_or(Part {
        first: 0,
        bytes: 0,
        total: 0,
        to_end: false,
    });
    for number in [
        head.response_ms,
        head.initial_age_ms,
        head.lifetime_ms,
        head.while_revalidate_ms,
        head.if_error_ms,
        part.first,
        part.bytes,
        part.total,
    ] {
        writer.u64(number);
    }
    writer.list(&head.vary.names().map(<[u8]>::to_vec).collect::<Vec<_>>());
    writer.list(&head.tags);
    let (sizes, texts) = head.headers.parts();
    writer.bytes(sizes);
    writer.bytes(texts);
}

fn read_head(reader: &mut Reader<'_>) -> Option<Head> {
    let status = u16::try_from(reader.u64()?).ok()?;
    let mut flag = || reader.u8().map(|byte| byte != 0);
    let (always_validate, forbids_stale, immutable) = (flag()?, flag()?, flag()?);
    let (shared_authorized, compressible) = (flag()?, flag()?);
    let (is_part, to_end) = (flag()?, flag()?);
    let mut head = Head {
        status,
        always_validate,
        forbids_stale,
        immutable,
        shared_authorized,
        compressible,
        response_ms: reader.u64()?,
        initial_age_ms: reader.u64()?,
        lifetime_ms: reader.u64()?,
        while_revalidate_ms: reader.u64()?,
        if_error_ms: reader.u64()?,
        ..Head::default()
    };
    let part = Part {
        first: reader.u64()?,
        bytes: reader.u64()?,
        total: reader.u64()?,
        to_end,
    };
    head.part = is_part.then_some(part);
    head.vary = VaryRule::of_names(reader.list()?);
    head.tags = reader.list()?;
    head.headers = Headers::from_parts(reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
    // Stored are fields alone.
    let pseudo = head.headers.iter().any(|(name, _)| name.starts_with(b":"));
    (!pseudo).then_some(head)
}
