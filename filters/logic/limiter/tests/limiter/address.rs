//! Keys by the client's address.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{NOW, Request, Slot, policy, slot};

fn by_address(hops: u32, ipv4: u8, ipv6: u8) -> Slot {
    Slot::by(&json!([{"clientAddress": {"trustedHops": hops, "ipv4Prefix": ipv4, "ipv6Prefix": ipv6}}]))
}

/// The client is `expected`, where `None` is nobody.
fn check(slot: &Slot, request: &Request, expected: Option<&str>) {
    let key = expected.map(|address| slot.key_of(&[address]).expect("an address"));
    assert_eq!(slot.key(request), key, "{request:?}");
}

#[test]
fn a_peer_is_an_address_with_or_without_its_port() {
    let slot = by_address(0, 32, 128);
    for (peer, expected) in [
        ("192.0.2.1:443", Some("192.0.2.1")),
        ("192.0.2.1", Some("192.0.2.1")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("2001:0DB8:0:0::1", Some("2001:db8::1")),
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        ("[::ffff:192.0.2.1]:443", Some("192.0.2.1")),
        ("::ffff:c000:201", Some("192.0.2.1")),
        (" 192.0.2.1\t", Some("192.0.2.1")),
        ("192.0.2.1:", None),
        ("192.0.2.1:99999", None),
        ("192.0.2.256", None),
        ("192.0.2", None),
        ("0192.0.2.1", None),
        ("[2001:db8::1", None),
        ("[192.0.2.1]", Some("192.0.2.1")),
        ("fe80::1%eth0", None),
        ("unknown", None),
        ("", None),
    ] {
        // What stands in the header doesn't count.
        let request = Request::new().from(peer).with("x-forwarded-for", "203.0.113.9");
        check(&slot, &request, expected);
    }
    check(&slot, &Request::new().with("x-forwarded-for", "192.0.2.1"), None);
    check(&slot, &Request::new().from(b"\xff192.0.2.1"), None);
}

#[test]
fn a_client_is_so_many_hops_from_the_right_end() {
    let request = Request::new()
        .from("10.0.0.1:80")
        .with("x-forwarded-for", "198.51.100.1,192.0.2.1 ,\t[2001:db8::2]:7")
        .with("x-other", "203.0.113.1")
        .with("x-forwarded-for", "192.0.2.3:80, ::ffff:192.0.2.4");
    for (hops, expected) in [
        (0, Some("10.0.0.1")),
        (1, Some("192.0.2.3")),
        (2, Some("2001:db8::2")),
        (3, Some("192.0.2.1")),
        (4, Some("198.51.100.1")),
        (5, None),
        (32, None),
    ] {
        check(&by_address(hops, 32, 128), &request, expected);
    }
}

#[test]
fn an_entry_that_is_no_address_is_nobody_and_not_the_next_one() {
    for value in [
        "192.0.2.1,junk,10.0.0.1",
        "192.0.2.1,,10.0.0.1",
        "192.0.2.1, _hidden, 10.0.0.1",
    ] {
        let request = Request::new().with("x-forwarded-for", value);
        check(&by_address(1, 32, 128), &request, None);
        check(&by_address(2, 32, 128), &request, Some("192.0.2.1"));
    }
    check(
        &by_address(1, 32, 128),
        &Request::new().with("x-forwarded-for", ""),
        None,
    );
}

#[test]
fn neighbours_share_a_prefix() {
    let slot = by_address(0, 24, 56);
    let key = |peer: &str| slot.key(&Request::new().from(peer)).unwrap();
    assert_eq!(key("192.0.2.1"), key("192.0.2.255"));
    assert_ne!(key("192.0.2.1"), key("192.0.3.1"));
    assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:ff::"));
    assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:100::1"));
    // Families never meet.
    assert_ne!(key("0.0.0.0"), key("::"));
    assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.1"));
}

fn exempt(networks: &Value, hops: u32) -> Slot {
    let limit = json!({
        "name": "all", "onMissingKey": "shared", "cost": {},
        "quota": {"rate": {"requests": 1, "windowMs": 3_600_000, "burst": 1}},
    });
    let exempt = json!([{"clientAddress": {"trustedHops": hops, "networks": networks}}]);
    Slot::new(&slot(
        &[("default/api", policy(&[limit], &json!({"exempt": exempt})))],
        &json!({}),
    ))
}

/// An exempt request leaves no trace, so it passes however often it comes.
fn is_exempt(slot: &Slot, request: &Request) -> bool {
    slot.world.put(0, &[]);
    (0..3).all(|_| slot.passes(request, NOW))
}

#[test]
fn addresses_of_a_network_are_exempt() {
    let networks = json!(["10.1.2.3/8", "192.0.2.7", "2001:db8::/32", "203.0.113.0/32"]);
    let slot = exempt(&networks, 0);
    for (peer, expected) in [
        ("10.255.0.1:1", true),
        ("11.0.0.0", false),
        ("192.0.2.7", true),
        ("192.0.2.6", false),
        ("[2001:db8:ffff::1]:9", true),
        ("2001:db9::", false),
        ("::ffff:10.0.0.1", true),
        ("203.0.113.0", true),
        ("203.0.113.1", false),
        ("junk", false),
    ] {
        assert_eq!(is_exempt(&slot, &Request::new().from(peer)), expected, "{peer}");
    }
    assert!(!is_exempt(&slot, &Request::new()));
    let all = exempt(&json!(["0.0.0.0/0"]), 0);
    assert!(is_exempt(&all, &Request::new().from("255.1.2.3")));
    assert!(!is_exempt(&all, &Request::new().from("2001:db8::1")));
    let forwarded = exempt(&json!(["10.0.0.0/8"]), 1);
    assert!(is_exempt(
        &forwarded,
        &Request::new().with("x-forwarded-for", "10.0.0.1, 192.0.2.1")
    ));
    assert!(!is_exempt(
        &forwarded,
        &Request::new().with("x-forwarded-for", "192.0.2.1, 10.0.0.1")
    ));
}

/// One field line as a client may write it.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "(203\\.0\\.113\\.[0-9]|, ?|::1|unknown|\\[::1\\]:8){0,6}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn whatever_a_client_writes_its_address_is_what_proxies_saw(
        lines in proptest::collection::vec(line(), 0..4),
        joined in any::<bool>(),
        client in any::<std::net::IpAddr>(),
        proxies in proptest::collection::vec(any::<std::net::IpAddr>(), 1..5),
    ) {
        let seen: Vec<String> =
            [client].iter().chain(&proxies).map(ToString::to_string).collect();
        let mut request = Request::new().from("10.0.0.1");
        let mut added = seen.join(", ").into_bytes();
        for (index, line) in lines.iter().enumerate() {
            // A proxy appends to the last line or adds one of its own.
            if joined && index + 1 == lines.len() {
                added = [line.as_slice(), b",", &added].concat();
            } else {
                request = request.with("x-forwarded-for", line);
            }
        }
        let request = request.with("x-forwarded-for", added);
        let slot = by_address(u32::try_from(proxies.len()).unwrap(), 32, 128);
        prop_assert_eq!(slot.key(&request), slot.key_of(&[&client.to_string()]));
    }

    #[test]
    fn addresses_share_a_key_iff_they_share_the_prefix(
        one in any::<u128>(), same in 0_u8..=128, prefix in 1_u8..=128,
    ) {
        // Another address with exactly `same` leading bits in common, and not one that stands for IPv4.
        let other = one ^ 1_u128.checked_shl(127 - u32::from(same.min(127))).unwrap();
        prop_assume!(one >> 96 != 0 && other >> 96 != 0);
        let slot = by_address(0, 32, prefix);
        let key = |bits: u128| slot.key_of(&[&std::net::Ipv6Addr::from_bits(bits).to_string()]).unwrap();
        prop_assert_eq!(key(one) == key(other), same.min(127) >= prefix);
    }
}
