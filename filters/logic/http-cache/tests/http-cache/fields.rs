//! Header fields beside a plain list of them.

use proptest::prelude::*;
use weir_http_cache::Headers;

/// Names that differ by a letter or their length, so that the marks of some are the same.
const NAMES: [&str; 9] = ["a", "b", "ab", "ba", "aab", "date", "data", "age", ":path"];

type Field = (Vec<u8>, Vec<u8>);

#[derive(Clone, Debug)]
enum Change {
    Push(&'static str, Vec<u8>),
    Set(&'static str, Vec<u8>),
    Remove(&'static str),
    Keep(&'static str),
    /// To the host, and back.
    Pairs,
}

fn change() -> impl Strategy<Value = Change> {
    let (name, value) = (|| prop::sample::select(&NAMES[..]), any::<Vec<u8>>);
    prop_oneof![
        4 => (name(), value()).prop_map(|(name, value)| Change::Push(name, value)),
        1 => (name(), value()).prop_map(|(name, value)| Change::Set(name, value)),
        1 => name().prop_map(Change::Remove),
        1 => name().prop_map(Change::Keep),
        1 => Just(Change::Pairs),
    ]
}

fn carry_out(change: &Change, headers: &mut Headers, list: &mut Vec<Field>) {
    let field = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    match change {
        Change::Push(name, value) => {
            headers.push(name.to_ascii_uppercase().as_bytes(), value);
            list.push(field(name, value));
        }
        Change::Set(name, value) => {
            headers.set(name, value);
            list.retain(|(known, _)| known != name.as_bytes());
            list.push(field(name, value));
        }
        Change::Remove(name) => {
            headers.remove(name);
            list.retain(|(known, _)| known != name.as_bytes());
        }
        Change::Keep(name) => {
            headers.retain(|known, _| known <= name.as_bytes());
            list.retain(|(known, _)| known.as_slice() <= name.as_bytes());
        }
        Change::Pairs => *headers = Headers::from_pairs(headers.to_pairs()),
    }
}

proptest! {
    #[test]
    fn fields_are_found_as_in_a_list(changes in prop::collection::vec(change(), 0..20)) {
        let (mut headers, mut list) = (Headers::new(), Vec::new());
        for change in &changes {
            carry_out(change, &mut headers, &mut list);
            let fields: Vec<Field> = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(&fields, &list);
            for name in NAMES.into_iter().chain(["", "dare"]) {
                let expected: Vec<&[u8]> = list
                    .iter()
                    .filter(|(known, _)| known == name.as_bytes())
                    .map(|(_, value)| value.as_slice())
                    .collect();
                prop_assert_eq!(headers.values(name).collect::<Vec<_>>(), expected, "{}", name);
            }
            let rebuilt: Headers = list.iter().map(|(name, value)| (name, value)).collect();
            prop_assert!(headers == rebuilt && headers.is_empty() == list.is_empty());
        }
    }

    /// What comes before the damage is as it was.
    #[test]
    fn damaged_bytes_of_a_host_are_fields_as_far_as_they_make_sense(
        values in prop::collection::vec(any::<Vec<u8>>(), 0..5), cut: prop::sample::Index, damage: u32, at: prop::sample::Index,
    ) {
        let whole: Headers = values.iter().map(|value| ("a", value)).collect();
        let mut bytes = whole.to_pairs();
        bytes.truncate(cut.index(bytes.len() + 1));
        let found = Headers::from_pairs(bytes.clone());
        prop_assert!(found.iter().eq(whole.iter().take(found.iter().count())));
        if bytes.len() > 4 {
            let at = at.index(bytes.len() - 3);
            bytes[at..at + 4].copy_from_slice(&damage.to_le_bytes());
        }
        let found = Headers::from_pairs(bytes.clone());
        prop_assert!(found.byte_len() <= bytes.len());
        prop_assert_eq!(&Headers::from_pairs(found.to_pairs()), &found);
    }
}
