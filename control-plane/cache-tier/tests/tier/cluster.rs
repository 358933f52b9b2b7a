//! A Redis Cluster of three nodes.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use weir_cache_tier::Settings;
use weir_policy::proxy::Purged;

use crate::support::client::Fill;
use crate::support::control::Control;
use crate::support::redis::Redis;
use crate::support::tier::{caught_up, ready};
use crate::support::{address, key, until};

async fn start() -> Vec<Redis> {
    let ip = address();
    let announced = ip.to_string();
    let mut nodes = Vec::new();
    for port in 7001..=7003 {
        let mut options = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        options.extend(["--cluster-announce-ip", &announced]);
        nodes.push(Redis::at(SocketAddr::new(ip, port), &options).await);
    }
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create", "--cluster-yes", "--cluster-replicas", "0"]);
    create.args(nodes.iter().map(|node| node.address.to_string()));
    let created = create.output().expect("redis-cli");
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stdout)
    );
    for node in &nodes {
        until("the cluster is ready", async || {
            let info = node.command(&["CLUSTER", "INFO"]).await.unwrap();
            format!("{info:?}").contains("cluster_state:ok")
        })
        .await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_serves_all_and_a_lost_node_costs_its_part_only() {
    let mut nodes = start().await;
    let control = Control::start(10).await;
    let settings = || Settings {
        redis: nodes.iter().map(Redis::url).collect(),
        timeout: Duration::from_secs(1),
        control: Some(control.url()),
        ..Settings::default()
    };
    let tiers = [ready(settings()).await, ready(settings()).await];
    for tier in &tiers {
        caught_up(&tier.client, &control).await;
    }
    let keys: Vec<String> = (0..60).map(|_| key()).collect();
    let fill = |number: usize| Fill {
        tags: vec![if number.is_multiple_of(2) { "even" } else { "odd" }],
        revision: 10,
        ..Fill::default()
    };
    for (number, key) in keys.iter().enumerate() {
        let lease = tiers[0].client.lookup(key, 0).await.lease();
        let (client, same) = (tiers[1].client.clone(), key.clone());
        let waiting = tokio::spawn(async move { client.lookup(&same, 20_000).await });
        let put = tiers[0].client.put(key, &lease, &fill(number), "object").await;
        assert_eq!(put.status, 204, "{put:?}");
        waiting.await.unwrap().assert_object("object");
    }
    for node in &nodes {
        let keys = node.command(&["KEYS", "*object*"]).await.unwrap();
        assert_ne!(keys, redis::Value::Array(Vec::new()), "every node has its part");
    }
    control.purge(None, false, Purged::Tags(vec!["even".to_owned()]));
    for tier in &tiers {
        caught_up(&tier.client, &control).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let status = tiers[1].client.lookup(key, 0).await.status;
        assert_eq!(status == 200, number % 2 == 1, "{number}");
    }
    // The part of the lost node is out of reach; a cluster without all its slots would refuse the rest as well.
    for node in &nodes {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
            .await
            .unwrap();
    }
    nodes[2].kill();
    let odd: Vec<&String> = keys.iter().skip(1).step_by(2).collect();
    until("its part is refused, the rest is there", async || {
        let mut statuses = Vec::new();
        for key in &odd {
            statuses.push(tiers[0].client.lookup(key, 0).await.status);
        }
        let open = tiers[0].client.metric("weir_cache_tier_breakers_open", "").await;
        let found = statuses.iter().filter(|status| **status == 200).count();
        statuses.contains(&503) && found >= 5 && (1.0..16.0).contains(&open)
    })
    .await;
}
