//! One request and its response.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::HostError;
use crate::fake::headers::Headers;
use crate::fake::of_process::OfProcess;
use crate::fake::process::Process;
use crate::port::{
    Clock, GrpcStatus, Identity, Level, LocalReply, Log, Properties, RequestHeaders, ResponseBody,
    ResponseHeaders, SharedData, StreamId, Version,
};

/// A request at a filter.
#[derive(Default)]
pub struct Stream {
    process: Rc<Process>,
    id: Cell<u32>,
    body: RefCell<Vec<u8>>,
    request: RefCell<Headers>,
    response: RefCell<Option<Headers>>,
    properties: RefCell<Vec<(String, Vec<u8>)>>,
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
        headers: Vec<(String, Vec<u8>)>,
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
        /// The headers.
        headers: Vec<(String, Vec<u8>)>,
    },
}

/// A kind of host call, and what its name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reading all headers of the request: no name.
    Read,
    /// Replacing a header of the request.
    Set,
    /// Removing a header of the request.
    Remove,
    /// Answering: no name.
    Reply,
    /// Reading all headers of the response (no name) or one of them.
    ReadResponse,
    /// Adding, replacing or removing a header of the response.
    ChangeResponse,
    /// Reading the clock: no name.
    Clock,
    /// Reading a property: its path with dots.
    Property,
    /// Reading a shared value: its key.
    Load,
    /// Storing a shared value: its key.
    Store,
}

impl Reply {
    /// An HTTP answer.
    pub(super) fn http(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Self {
        Self::Http {
            status,
            headers: owned(headers),
            body: body.to_vec(),
        }
    }
}

impl Stream {
    /// A request with these headers, in a process of its own at the time 0.
    pub fn new(headers: &[(&str, &[u8])]) -> Self {
        Self::of(&Rc::default(), headers)
    }

    /// A request with these headers in `process`.
    pub fn of(process: &Rc<Process>, headers: &[(&str, &[u8])]) -> Self {
        Self {
            process: Rc::clone(process),
            request: RefCell::new(Headers::new(headers)),
            ..Self::default()
        }
    }

    /// The response has come, with these headers.
    pub fn respond(&self, headers: &[(&str, &[u8])]) {
        *self.response.borrow_mut() = Some(Headers::new(headers));
    }

    /// Gives the stream an id; it is 0 before.
    pub fn set_id(&self, id: u32) {
        self.id.set(id);
    }

    /// The part of the response's body that is at hand.
    pub fn set_body(&self, part: &[u8]) {
        *self.body.borrow_mut() = part.to_vec();
    }

    /// Gives the property at `path` a value in this stream only.
    pub fn set_property(&self, path: &[&str], value: &[u8]) {
        let mut properties = self.properties.borrow_mut();
        properties.insert(0, (path.join("."), value.to_vec()));
    }

    /// Every value of the request's header `name`.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.request.borrow().values(name)
    }

    /// Every value of the response's header `name`; none before there is a response.
    pub fn response_values(&self, name: &str) -> Vec<Vec<u8>> {
        let response = self.response.borrow();
        response
            .as_ref()
            .map_or_else(Vec::new, |headers| headers.values(name))
    }

    /// What was answered.
    pub fn answer(&self) -> Option<Reply> {
        self.reply.borrow().clone()
    }

    /// From now on the host fails `call` for that name (`""` where the call has none).
    pub fn fail(&self, call: Call, name: &str) {
        self.failing.borrow_mut().push((call, name.to_owned()));
    }

    /// The host calls so far, logging apart.
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.calls.borrow().clone()
    }

    /// The lines of the log.
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.log.borrow().clone()
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

    /// As in Envoy, the answer passes back as a response with these headers, where it has them `more` first.
    fn answer_with(
        &self,
        reply: Reply,
        more: &[(&str, &[u8])],
        headers: &[(&str, &[u8])],
    ) -> Result<(), HostError> {
        self.call(Call::Reply, "")?;
        self.respond(&[more, headers].concat());
        *self.reply.borrow_mut() = Some(reply);
        Ok(())
    }

    /// Works on the response's headers, if there is a response.
    fn response<T>(
        &self,
        call: Call,
        name: &str,
        work: impl FnOnce(&mut Headers) -> T,
    ) -> Result<T, HostError> {
        self.call(call, name)?;
        let mut response = self.response.borrow_mut();
        response.as_mut().map(work).ok_or(HostError::BadArgument)
    }
}

impl Log for Stream {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

impl Clock for Stream {
    fn now_ns(&self) -> Result<u64, HostError> {
        self.call(Call::Clock, "")?;
        Ok(self.process.now_ns())
    }
}

impl Properties for Stream {
    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        let dotted = path.join(".");
        self.call(Call::Property, &dotted)?;
        let own = self.properties.borrow();
        let own = own.iter().find(|(known, _)| *known == dotted);
        Ok(own
            .map(|(_, value)| value.clone())
            .or_else(|| self.process.property(path)))
    }
}

impl SharedData for Stream {
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        self.call(Call::Load, &String::from_utf8_lossy(key))?;
        Ok(self.process.load(key))
    }

    fn touch(&self, key: &[u8]) -> Result<(), HostError> {
        self.call(Call::Store, &String::from_utf8_lossy(key))?;
        self.process.set_shared(key, &[]);
        Ok(())
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        self.call(Call::Store, &String::from_utf8_lossy(key))?;
        self.process.store(key, value, expected)
    }
}

impl RequestHeaders for Stream {
    fn pairs(&self) -> Result<Vec<u8>, HostError> {
        self.call(Call::Read, "")?;
        Ok(self.request.borrow().to_bytes())
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.call(Call::Set, name)?;
        self.request.borrow_mut().set(name, value);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        self.call(Call::Remove, name)?;
        self.request.borrow_mut().remove(name);
        Ok(())
    }
}

impl ResponseHeaders for Stream {
    fn pairs(&self) -> Result<Vec<u8>, HostError> {
        self.response(Call::ReadResponse, "", |headers| headers.to_bytes())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        let mut values = self.response(Call::ReadResponse, name, |headers| headers.values(name))?;
        values.truncate(1);
        Ok(values.pop())
    }

    fn add(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.response(Call::ChangeResponse, name, |headers| headers.add(name, value))
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        self.response(Call::ChangeResponse, name, |headers| headers.set(name, value))
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        self.response(Call::ChangeResponse, name, |headers| headers.remove(name))
    }
}

/// The headers in bytes that are laid out as the ABI does it; a name that is no text is left out.
pub(super) fn named(headers: &[u8]) -> Vec<(&str, &[u8])> {
    let named =
        crate::pairs::read(headers).filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)));
    named.collect()
}

impl LocalReply for Stream {
    fn reply(&self, status: u16, headers: &[u8], body: &[u8]) -> Result<(), HostError> {
        let headers = named(headers);
        let reply = Reply::http(status, &headers, body);
        self.answer_with(reply, &[(":status", status.to_string().as_bytes())], &headers)
    }

    fn reply_grpc(
        &self,
        http: u16,
        status: GrpcStatus,
        message: &str,
        headers: &[(&str, &[u8])],
    ) -> Result<(), HostError> {
        let reply = Reply::Grpc {
            http,
            status,
            message: message.to_owned(),
            headers: owned(headers),
        };
        let code = (status as i32).to_string();
        let first: [(&str, &[u8]); 4] = [
            (":status", b"200"),
            ("content-type", b"application/grpc"),
            ("grpc-status", code.as_bytes()),
            ("grpc-message", message.as_bytes()),
        ];
        self.answer_with(reply, &first, headers)
    }
}

impl OfProcess for Stream {
    fn process(&self) -> &Process {
        &self.process
    }
}

impl Identity for Stream {
    fn stream_id(&self) -> StreamId {
        StreamId(self.id.get())
    }
}

impl ResponseBody for Stream {
    fn response_body(&self, max_bytes: usize) -> Result<Vec<u8>, HostError> {
        let mut part = self.body.borrow().clone();
        part.truncate(max_bytes);
        Ok(part)
    }

    fn set_response_body(&self, bytes: &[u8]) -> Result<(), HostError> {
        self.set_body(bytes);
        Ok(())
    }
}

fn owned(headers: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
    headers.iter().map(owned).collect()
}
