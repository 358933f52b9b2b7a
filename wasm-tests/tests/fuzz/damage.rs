//! What can be wrong with a configuration's bytes.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::text::{Escaped, Text};

/// One thing done to the JSON of a configuration.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// A value anywhere in it becomes another one.
    Replace(Index, Value),
    /// A member or an element is lost.
    Remove(Index),
    /// A member that nobody knows, or an element that stands twice.
    Add(Index),
    /// The bytes end early.
    Cut(Index),
    /// A byte becomes another one.
    Byte(Index, u8),
    /// An object's member stands twice, as bytes.
    Double(Index),
}

/// A member that makes a valid configuration one that nobody may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    whose: Whose,
    name: &'static str,
    /// JSON.
    value: &'static str,
}

/// Whose member.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Slot,
    Policy,
    Shard,
}

/// Limits, names and fields, as the documents' kinds define them.
pub(crate) const FORBIDDEN: &[Edit] = &[
    edit(Whose::Slot, "format", "2"),
    edit(Whose::Slot, "generation", "9007199254740992"),
    edit(Whose::Slot, "generation", "-1"),
    edit(Whose::Slot, "slot", "\"\""),
    edit(Whose::Slot, "extra", "1"),
    edit(Whose::Slot, "rules", r#"[{"policy": "nobody's"}]"#),
    edit(Whose::Policy, "maxKeyBytes", "0"),
    edit(Whose::Policy, "maxKeyBytes", "8193"),
    edit(Whose::Policy, "keySources", "[]"),
    edit(Whose::Policy, "keySources", r#"[{"header": "X-Upper"}]"#),
    edit(Whose::Policy, "keySources", r#"[{"query": ""}]"#),
    edit(Whose::Policy, "keySources", r#"[{"path": {"template": "/a"}}]"#),
    edit(Whose::Policy, "shards", "[]"),
    edit(Whose::Policy, "onMissingKey", r#"{"defaultShard": "nobody"}"#),
    edit(Whose::Policy, "strategy", r#"{"hash": {"algorithm": "ring-v2"}}"#),
    edit(Whose::Policy, "extra", "1"),
    edit(Whose::Shard, "weight", "0"),
    edit(Whose::Shard, "weight", "1001"),
    edit(Whose::Shard, "name", "\"A\""),
    edit(Whose::Shard, "readCluster", "\"\""),
    edit(Whose::Shard, "writeCluster", "\"a\\nb\""),
    edit(Whose::Shard, "extra", "1"),
];

const fn edit(whose: Whose, name: &'static str, value: &'static str) -> Edit {
    Edit { whose, name, value }
}

impl Edit {
    /// The bytes of `valid` with the member.
    pub(crate) fn apply(self, mut valid: Value) -> Text {
        let policies = valid["policies"].as_object().unwrap();
        let policy = policies.keys().next().unwrap().clone();
        let owner = match self.whose {
            Whose::Slot => &mut valid,
            Whose::Policy => &mut valid["policies"][policy],
            Whose::Shard => &mut valid["policies"][policy]["shards"][0],
        };
        owner[self.name] = serde_json::from_str(self.value).unwrap();
        Text::plain(valid.to_string())
    }
}

/// Any damage.
pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), junk_value()).prop_map(|(place, value)| Damage::Replace(place, value)),
        1 => place().prop_map(Damage::Remove),
        1 => place().prop_map(Damage::Add),
        1 => place().prop_map(Damage::Cut),
        1 => (place(), any::<u8>()).prop_map(|(place, byte)| Damage::Byte(place, byte)),
        1 => place().prop_map(Damage::Double),
    ]
}

/// Bytes that were never a configuration.
pub(crate) fn junk() -> impl Strategy<Value = Text> {
    let nested = select(&["[", "{\"a\":", "[{\"rules\":"][..]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Text::plain),
        (nested, 1..5_000_usize).prop_map(|(text, times)| Text::Repeated {
            text: Escaped(text.into()),
            times
        }),
        select(
            &[
                "null",
                "1",
                "{}",
                "{\"format\": 1}",
                "\u{feff}{}",
                "{\"format\": 1e400}"
            ][..]
        )
        .prop_map(Text::plain),
    ]
}

/// Values that stand where others should.
fn junk_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec![
            Value::Null,
            json!(true),
            json!([]),
            json!({}),
            json!(""),
            json!(-1),
            json!(1.5),
            json!(1e308),
            json!(0),
            json!(u64::MAX),
            json!(1_u64 << 53),
            json!(4_294_967_296_u64),
            json!("/{id}/{id}"),
            json!("**"),
            json!("(a{1000}){1000}"),
            json!("(((((((((((((((((((((((((((((((((((((((((((((((((((("),
            json!("\u{0}\u{10ffff}"),
        ]),
        (0..2_000_u32).prop_map(|number| json!(number)),
        "\\PC{0,80}".prop_map(Value::from),
        (1..200_usize).prop_map(|depth| (0..depth).fold(Value::Null, |inner, _| json!([inner]))),
    ]
}

impl Damage {
    /// The bytes that are left of `valid`.
    pub(crate) fn apply(&self, valid: &Value) -> Text {
        let mut json = valid.clone();
        let mut bytes = valid.to_string().into_bytes();
        match self {
            Self::Replace(place, value) => *at(&mut json, place) = value.clone(),
            Self::Remove(place) => remove(at(&mut json, place), place),
            Self::Add(place) => add(at(&mut json, place), place),
            Self::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Self::Byte(place, byte) => *place.get_mut(&mut bytes) = *byte,
            Self::Double(place) => bytes = double(&valid.to_string(), place),
        }
        Text::plain(match self {
            Self::Cut(_) | Self::Byte(..) | Self::Double(_) => bytes,
            Self::Replace(..) | Self::Remove(_) | Self::Add(_) => json.to_string().into_bytes(),
        })
    }
}

/// The value at a place, counted in depth.
fn at<'v>(json: &'v mut Value, place: &Index) -> &'v mut Value {
    let mut left = place.index(size(json));
    nth(json, &mut left).expect("a place within the value")
}

fn size(json: &Value) -> usize {
    let below: usize = match json {
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    };
    below + 1
}

fn nth<'v>(json: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    match json {
        Value::Array(elements) => elements.iter_mut().find_map(|element| nth(element, left)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, left)),
        _ => None,
    }
}

fn remove(json: &mut Value, place: &Index) {
    match json {
        Value::Array(elements) if !elements.is_empty() => drop(elements.remove(place.index(elements.len()))),
        Value::Object(members) if !members.is_empty() => {
            let name = place.get(&members.keys().cloned().collect::<Vec<_>>()).clone();
            members.remove(&name);
        }
        other => *other = Value::Null,
    }
}

fn add(json: &mut Value, place: &Index) {
    match json {
        Value::Array(elements) if !elements.is_empty() => elements.push(place.get(elements).clone()),
        Value::Object(members) => drop(members.insert("extra".to_owned(), json!(1))),
        other => *other = json!([other.clone(), 1]),
    }
}

/// The text, with the first member of one of its objects standing twice.
fn double(json: &str, place: &Index) -> Vec<u8> {
    let objects: Vec<usize> = json.match_indices("{\"").map(|(at, _)| at).collect();
    let (before, after) = json.split_at(place.get(&objects) + 1);
    let member = after.split([',', '}']).next().unwrap_or_default();
    [before, member, ",", after].concat().into_bytes()
}
