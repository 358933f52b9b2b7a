//! A lookup's body: the request's header fields, each name and value with its length before it.

use std::fmt;

use super::MAX_FIELDS;

/// Header fields in the order of the request; a name may stand more than once.
pub type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Why a lookup's body can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldsError {
    /// Longer than [`MAX_FIELDS`].
    TooLong,
    /// It ends within a field.
    Cut,
}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than 16384 bytes",
            Self::Cut => "ends within a field: expected (name length, name, value length, value)*, lengths of two bytes, big-endian",
        })
    }
}

impl std::error::Error for FieldsError {}

/// Adds one field to a lookup's body; a name or value that makes it longer than [`MAX_FIELDS`] is an error, and the body as
/// it was.
pub fn encode_field(body: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), FieldsError> {
    if body.len() + name.len() + value.len() + 4 > MAX_FIELDS {
        return Err(FieldsError::TooLong);
    }
    for part in [name, value] {
        // Shorter than MAX_FIELDS, which fits.
        body.extend_from_slice(&(part.len() as u16).to_be_bytes());
        body.extend_from_slice(part);
    }
    Ok(())
}

/// Reads a lookup's body.
pub fn decode_fields(mut body: &[u8]) -> Result<Fields<'_>, FieldsError> {
    if body.len() > MAX_FIELDS {
        return Err(FieldsError::TooLong);
    }
    let mut fields = Vec::new();
    while !body.is_empty() {
        let name = take(&mut body)?;
        fields.push((name, take(&mut body)?));
    }
    Ok(fields)
}

fn take<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], FieldsError> {
    let (length, rest) = body.split_first_chunk().ok_or(FieldsError::Cut)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (part, rest) = rest.split_at_checked(length).ok_or(FieldsError::Cut)?;
    *body = rest;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(fields in vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..300)), 0..20)) {
            let mut body = Vec::new();
            for (name, value) in &fields {
                encode_field(&mut body, name, value).unwrap();
            }
            let read: Vec<_> = decode_fields(&body).unwrap();
            let expected: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in vec(any::<u8>(), 0..200)) {
            if let Ok(fields) = decode_fields(&body) {
                let mut again = Vec::new();
                for (name, value) in fields {
                    encode_field(&mut again, name, value).unwrap();
                }
                prop_assert_eq!(again, body);
            }
        }
    }

    #[test]
    fn a_body_has_a_limit_and_an_end() {
        let mut body = Vec::new();
        encode_field(&mut body, b"a", &[b'v'; MAX_FIELDS - 5]).unwrap();
        assert_eq!(body.len(), MAX_FIELDS);
        assert_eq!(encode_field(&mut body, b"", b""), Err(FieldsError::TooLong));
        assert_eq!(decode_fields(&body).unwrap().len(), 1);
        assert_eq!(decode_fields(&body[..9]), Err(FieldsError::Cut));
        body.push(0);
        assert_eq!(decode_fields(&body), Err(FieldsError::TooLong));
    }
}
