//! Where an object lies in Redis.

use std::fmt::Write;

use weir_policy::cache_tier::KEY_DIGITS;
use weir_policy::name::Name;
use xxhash_rust::xxh3::xxh3_64;

/// How many parts a namespace is cut into. Each lies in one slot of a cluster, with a copy of the namespace's purges, so that
/// one script sees an object and its purges at once. Another number loses what is stored.
pub(crate) const PARTITIONS: u8 = 16;

/// A part of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// What its keys begin with; the braces are the hash tag of Redis Cluster.
    pub(crate) prefix: String,
    /// Below [`PARTITIONS`].
    pub(crate) number: u8,
}

impl Partition {
    fn new(namespace: &Name, number: u8) -> Self {
        Self {
            prefix: format!("weir:{{{namespace}.{number}}}:"),
            number,
        }
    }

    /// All parts of a namespace.
    pub(crate) fn all(namespace: &Name) -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(|number| Self::new(namespace, number))
    }

    /// Where its cursor, its epoch and its floors are.
    pub(crate) fn facts(&self) -> String {
        format!("{}facts", self.prefix)
    }
}

/// An object's place: its variants lie there beside one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) policy: Name,
    /// The key in Redis.
    pub(crate) key: String,
}

impl Place {
    /// Of a key's digits, if it has enough of them.
    pub(crate) fn try_new(namespace: &Name, policy: Name, digits: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !KEY_DIGITS.contains(&digits.len()) || !digits.bytes().all(is_digit) {
            return None;
        }
        // The remainder is below PARTITIONS.
        let number = (xxh3_64(digits.as_bytes()) % u64::from(PARTITIONS)) as u8;
        let partition = Partition::new(namespace, number);
        let mut key = partition.prefix.clone();
        // Writing to a String can't fail.
        let _ = write!(key, "object:{policy}:{digits}");
        Some(Self {
            partition,
            policy,
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn place(digits: &str) -> Option<Place> {
        let policy = Name::try_new("shop").unwrap();
        Place::try_new(&Name::default_namespace(), policy, digits)
    }

    /// What lies in a store must be found by every later release.
    #[test]
    fn places_never_change() {
        let digits = "00112233445566778899aabbccddeeff";
        let place = place(digits).unwrap();
        assert_eq!(place.key, format!("weir:{{default.14}}:object:shop:{digits}"));
        assert_eq!(place.partition.facts(), "weir:{default.14}:facts");
    }

    #[test]
    fn keys_are_long_enough_lower_case_hexadecimal() {
        for bad in [
            "",
            "abc",
            &"A".repeat(32),
            &"g".repeat(32),
            &"0".repeat(31),
            &"0".repeat(129),
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
        assert!(place(&"0".repeat(32)).is_some() && place(&"f".repeat(128)).is_some());
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let places = (0..1_000).map(|number| place(&format!("{number:032x}")).unwrap());
        let used: BTreeSet<_> = places.map(|place| place.partition.number).collect();
        assert_eq!(used.len(), usize::from(PARTITIONS));
    }
}
