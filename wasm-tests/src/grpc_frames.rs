//! gRPC's framing of messages: a flag, the length in four bytes, the message.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

/// A message as it goes over the wire.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// Takes messages out of bytes as they come.
#[derive(Default)]
pub(crate) struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    /// The messages that are complete now; false when what follows them can't be read: a compressed message, or no
    /// frame at all.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        self.rest.extend(bytes);
        let mut messages = Vec::new();
        while let Some((flag, message, size)) = first(&self.rest) {
            if flag != 0 && !(flag == 1 && message.is_empty()) {
                return (messages, false);
            }
            messages.push(message.to_vec());
            self.rest.drain(..size);
        }
        (messages, true)
    }
}

/// The first frame, if it is there in full: its flag, its message, its size on the wire.
fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&flag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let message = rest.get(..length)?;
    Some((flag, message, length + 5))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_bytes_are_cut(
            messages: Vec<Vec<u8>>, size in 1_usize..9
        ) {
            let wire: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
            let mut frames = Frames::default();
            let mut read = Vec::new();
            for bytes in wire.chunks(size) {
                let (more, whole) = frames.push(bytes);
                prop_assert!(whole);
                read.extend(more);
            }
            prop_assert_eq!(read, messages);
        }
    }

    #[test]
    fn a_compressed_message_ends_the_reading() {
        let mut wire = frame(b"a");
        wire.extend([1, 0, 0, 0, 1, b'z']);
        assert_eq!(Frames::default().push(&wire), (vec![b"a".to_vec()], false));
        assert_eq!(Frames::default().push(&[1, 0, 0, 0, 0]), (vec![vec![]], true));
    }
}
