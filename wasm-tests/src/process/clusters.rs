//! The scripted clusters of a process.

use std::collections::BTreeMap;

use crate::cluster::{Answering, Cluster, Host};

#[derive(Default)]
pub(crate) struct Clusters {
    clusters: BTreeMap<String, (Cluster, usize)>,
}

impl Clusters {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.clusters.contains_key(name)
    }

    pub(crate) fn host_count(&self, name: &str) -> u64 {
        self.clusters
            .get(name)
            .map_or(0, |(cluster, _)| cluster.hosts.len() as u64)
    }

    /// Defines a cluster, or replaces it.
    pub(crate) fn set(&mut self, name: &str, cluster: Cluster) {
        self.clusters.insert(name.to_owned(), (cluster, 0));
    }

    pub(crate) fn answering(&self, name: &str) -> Answering {
        self.clusters
            .get(name)
            .map_or(Answering::default(), |(cluster, _)| cluster.answers)
    }

    /// The next host in turn that is not among `tried`; when all are, the next one whichever.
    pub(crate) fn pick(&mut self, name: &str, tried: &[String]) -> Option<Host> {
        let (cluster, turn) = self.clusters.get_mut(name)?;
        let hosts = &cluster.hosts;
        let in_turn = || hosts.iter().enumerate().cycle().skip(*turn).take(hosts.len());
        let (index, host) = in_turn()
            .find(|(_, host)| !tried.contains(&host.name))
            .or_else(|| in_turn().next())?;
        *turn = (index + 1) % hosts.len().max(1);
        Some(host.clone())
    }
}
