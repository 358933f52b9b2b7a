//! The proxy-wasm ABI 0.2, as far as it is numbers and names.
//!
//! Source: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>. Version 0.2.0 lacks
//! `proxy_get_log_level`, and differs in nothing else that a host can see.

/// What a host function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, property, metric, function or buffer.
    NotFound = 1,
    /// An argument out of range, or a map that this callback can't see.
    BadArgument = 2,
    /// A value that can't be written as bytes.
    SerializationFailure = 3,
    /// Bytes that can't be read.
    ParseFailure = 4,
    /// An expression that can't be evaluated.
    BadExpression = 5,
    /// A pointer outside the VM's memory.
    InvalidMemoryAccess = 6,
    /// Nothing is queued.
    Empty = 7,
    /// The shared value has changed since it was read.
    CasMismatch = 8,
    /// A result of another type than was asked for.
    ResultMismatch = 9,
    /// The host failed.
    InternalFailure = 10,
    /// The connection is gone.
    BrokenConnection = 11,
    /// A part of the ABI that the host does not offer.
    Unimplemented = 12,
}

/// What a callback wants done with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on to the next filter.
    Continue,
    /// Stop here, until the filter continues the stream or answers it.
    Pause,
}

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Tcp,
}

/// One direction of a stream of one kind: 0 is an HTTP request, 1 its response, 2 what comes from a TCP client, 3 what
/// goes to it. Buffers of streams have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamType {
    pub(crate) protocol: Protocol,
    pub(crate) direction: Direction,
}

impl TryFrom<u32> for StreamType {
    type Error = Status;

    fn try_from(value: u32) -> Result<Self, Status> {
        let (protocol, direction) = match value {
            0 => (Protocol::Http, Direction::Request),
            1 => (Protocol::Http, Direction::Response),
            2 => (Protocol::Tcp, Direction::Request),
            3 => (Protocol::Tcp, Direction::Response),
            _ => return Err(Status::BadArgument),
        };
        Ok(Self { protocol, direction })
    }
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

impl TryFrom<u32> for LogLevel {
    type Error = Status;

    fn try_from(value: u32) -> Result<Self, Status> {
        Ok(match value {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The header maps of a stream and of a call's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    Headers(Direction),
    Trailers(Direction),
    GrpcInitialMetadata,
    GrpcTrailingMetadata,
    CallHeaders,
    CallTrailers,
}

impl TryFrom<u32> for MapType {
    type Error = Status;

    fn try_from(value: u32) -> Result<Self, Status> {
        Ok(match value {
            0 => Self::Headers(Direction::Request),
            1 => Self::Trailers(Direction::Request),
            2 => Self::Headers(Direction::Response),
            3 => Self::Trailers(Direction::Response),
            4 => Self::GrpcInitialMetadata,
            5 => Self::GrpcTrailingMetadata,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    /// A body; on a TCP connection, data from the client or from the upstream.
    Stream(StreamType),
    CallBody,
    GrpcMessage,
    VmConfiguration,
    PluginConfiguration,
    ForeignArguments,
}

impl TryFrom<u32> for BufferType {
    type Error = Status;

    fn try_from(value: u32) -> Result<Self, Status> {
        Ok(match value {
            0..=3 => Self::Stream(StreamType::try_from(value)?),
            4 => Self::CallBody,
            5 => Self::GrpcMessage,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            8 => Self::ForeignArguments,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The host functions of the ABI, all in the import module [`IMPORT_MODULE`]; a module of this workspace may import
/// nothing else. Others may also import WASI (`wasi_snapshot_preview1`), which answers as in Envoy: no files, no
/// sockets, and stdout and stderr are logged.
pub const HOST_FUNCTIONS: [&str; 39] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// The import module of all [`HOST_FUNCTIONS`].
pub const IMPORT_MODULE: &str = "env";
