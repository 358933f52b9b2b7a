//! Resources, attachment, compiled slots, snapshots; knows no tokio, tonic or kube.
