//! ADS: snapshots to proxies, ACK and NACK back.
