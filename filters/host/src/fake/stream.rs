//! One request.

use std::cell::RefCell;

use crate::error::HostError;
use crate::pairs;
use crate::port::{GrpcStatus, Level, LocalReply, Log, RequestHeaders};

/// A request at a filter.
#[derive(Default)]
pub struct Stream {
    headers: RefCell<Vec<(String, Vec<u8>)>>,
    reply: RefCell<Option<Reply>>,
    failing: RefCell<Vec<(Call, String)>>,
    calls: RefCell<Vec<(Call, String)>>,
    log: RefCell<Vec<(Level, String)>>,
}

/// What the filter answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// HTTP.
    Http {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// gRPC, trailers only.
    Grpc {
        /// The HTTP status for a request that is no gRPC.
        http: u16,
        /// The status.
        status: GrpcStatus,
        /// The message.
        message: String,
    },
}

/// A kind of host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reading all headers.
    Read,
    /// Replacing a header.
    Set,
    /// Removing a header.
    Remove,
    /// Answering.
    Reply,
}

impl Stream {
    /// A request with these headers.
    pub fn new(headers: &[(&str, &[u8])]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        Self {
            headers: RefCell::new(headers.collect()),
            ..Self::default()
        }
    }

    /// Every value of the header `name`.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let headers = self.headers.borrow();
        let values = headers.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.clone()).collect()
    }

    /// What was answered.
    pub fn answer(&self) -> Option<Reply> {
        self.reply.borrow().clone()
    }

    /// From now on the host fails `call` for the header `name`; reading and answering have none (`""`).
    pub fn fail(&self, call: Call, name: &str) {
        self.failing.borrow_mut().push((call, name.to_owned()));
    }

    /// The host calls so far, logging apart.
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.calls.borrow().clone()
    }

    fn call(&self, call: Call, name: &str) -> Result<(), HostError> {
        let made = (call, name.to_owned());
        let fails = self.failing.borrow().contains(&made);
        self.calls.borrow_mut().push(made);
        if fails {
            Err(HostError::BadArgument)
        } else {
            Ok(())
        }
    }

    fn answer_with(&self, reply: Reply) -> Result<(), HostError> {
        self.call(Call::Reply, "")?;
        *self.reply.borrow_mut() = Some(reply);
        Ok(())
    }
}

impl Log for Stream {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

impl RequestHeaders for Stream {
    fn pairs(&self) -> Result<Vec<u8>, HostError> {
        self.call(Call::Read, "")?;
        Ok(pairs::write(&self.headers.borrow()))
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call(Call::Set, name)?;
        let mut headers = self.headers.borrow_mut();
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.to_vec()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        self.call(Call::Remove, name)?;
        self.headers.borrow_mut().retain(|(known, _)| known != name);
        Ok(())
    }
}

impl LocalReply for Stream {
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), HostError> {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.answer_with(Reply::Http {
            status,
            headers: headers.collect(),
            body: body.to_vec(),
        })
    }

    fn reply_grpc(&self, http: u16, status: GrpcStatus, message: &str) -> Result<(), HostError> {
        let message = message.to_owned();
        self.answer_with(Reply::Grpc {
            http,
            status,
            message,
        })
    }
}
