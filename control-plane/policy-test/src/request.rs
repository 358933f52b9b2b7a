//! Requests, as a client sends them.

use std::net::{IpAddr, Ipv4Addr};

/// Who sends a request, unless it is told.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    /// Who opened the connection.
    pub(crate) from: IpAddr,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request from 127.0.0.1 to the host `service.test`, without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "service.test".to_owned(),
            from: LOOPBACK,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header, leaving others of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the host, perhaps with a port.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sets the address of who opens the connection: the client, or the last proxy before this one.
    #[must_use]
    pub fn sent_from(mut self, address: IpAddr) -> Self {
        self.from = address;
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// `GET /orders from 203.0.113.7 x-user-id: alice`.
    pub(crate) fn line(&self) -> String {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!(" {name}: {value}"));
        let from = (self.from != LOOPBACK).then(|| format!(" from {}", self.from));
        let line = format!("{} {}", self.method, self.path);
        std::iter::once(line).chain(from).chain(headers).collect()
    }
}
