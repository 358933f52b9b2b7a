//! The imports of the proxy-wasm ABI 0.2.1 that filters use, as safe functions.
#![allow(
    unsafe_code,
    reason = "imported functions are unsafe to call, and the host writes through pointers"
)]

use std::ptr::null_mut;

use crate::error::HostError;

/// The header maps of the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    CallResponseHeaders = 6,
}

/// The buffers of the ABI.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Buffer {
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, text_size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        bytes: *const u8,
        bytes_size: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, message: *const u8, message_size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Bytes that the host hands over: it allocates them with the module's `malloc`.
struct Handed {
    data: *mut u8,
    size: usize,
}

impl Handed {
    const fn new() -> Self {
        Self {
            data: null_mut(),
            size: 0,
        }
    }

    fn into_vec(self) -> Vec<u8> {
        if self.data.is_null() {
            return Vec::new();
        }
        // SAFETY: the SDK's `malloc` made this block as a boxed slice of `size` bytes with the global allocator, and
        // the host, having written all of it, keeps no pointer to it.
        unsafe { Vec::from_raw_parts(self.data, self.size, self.size) }
    }
}

pub(super) fn log(level: u32, text: &str) -> Result<(), HostError> {
    // SAFETY: the host reads `text` during the call; the same holds for every slice below.
    HostError::check(unsafe { proxy_log(level, text.as_ptr(), text.len()) })
}

pub(super) fn current_time_nanoseconds() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: the host writes one u64.
    HostError::check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(super) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    HostError::check(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// At most `max_size` bytes of a buffer, from its start.
pub(super) fn buffer(buffer: Buffer, max_size: usize) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::new();
    // SAFETY: the host writes where the block is, and its size; see `Handed::into_vec`.
    HostError::check(unsafe {
        proxy_get_buffer_bytes(
            buffer as u32,
            0,
            max_size,
            &raw mut handed.data,
            &raw mut handed.size,
        )
    })?;
    Ok(handed.into_vec())
}

/// Puts bytes in the place of all that a buffer holds.
pub(super) fn set_buffer(buffer: Buffer, bytes: &[u8]) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe {
        proxy_set_buffer_bytes(buffer as u32, 0, usize::MAX, bytes.as_ptr(), bytes.len())
    })
}

pub(super) fn header_pairs(map: Map) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::new();
    // SAFETY: as in `buffer`.
    HostError::check(unsafe {
        proxy_get_header_map_pairs(map as u32, &raw mut handed.data, &raw mut handed.size)
    })?;
    Ok(handed.into_vec())
}

/// The first value.
pub(super) fn header(map: Map, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    let mut handed = Handed::new();
    // SAFETY: as in `log` and `buffer`.
    let status = unsafe {
        proxy_get_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            &raw mut handed.data,
            &raw mut handed.size,
        )
    };
    found(status, || handed.into_vec())
}

pub(super) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe {
        proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(super) fn replace_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(super) fn remove_header(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// The value at a path, its parts joined by zero bytes.
pub(super) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut handed = Handed::new();
    // SAFETY: as in `log` and `buffer`.
    let status = unsafe {
        proxy_get_property(
            path.as_ptr(),
            path.len(),
            &raw mut handed.data,
            &raw mut handed.size,
        )
    };
    found(status, || handed.into_vec())
}

/// The value and its CAS number.
pub(super) fn shared_data(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, HostError> {
    let mut handed = Handed::new();
    let mut cas = 0;
    // SAFETY: as in `buffer`; the host also writes one u32.
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut handed.data,
            &raw mut handed.size,
            &raw mut cas,
        )
    };
    found(status, || (handed.into_vec(), cas))
}

/// What a look-up that ended with `status` found.
fn found<T>(status: u32, value: impl FnOnce() -> T) -> Result<Option<T>, HostError> {
    match HostError::check(status) {
        Ok(()) => Ok(Some(value())),
        Err(HostError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// What follows concerns this context, until the callback ends.
pub(super) fn set_effective_context(context: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    HostError::check(unsafe { proxy_set_effective_context(context) })
}

/// Lets the held request of the effective context go on.
pub(super) fn continue_request() -> Result<(), HostError> {
    // SAFETY: no pointers.
    HostError::check(unsafe { proxy_continue_stream(0) })
}

pub(super) fn register_shared_queue(name: &str) -> Result<u32, HostError> {
    let mut queue = 0;
    // SAFETY: as in `log`; the host writes one u32.
    HostError::check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
    Ok(queue)
}

pub(super) fn enqueue_shared_queue(queue: u32, message: &[u8]) -> Result<(), HostError> {
    // SAFETY: as in `log`.
    HostError::check(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

/// The oldest message. An empty queue has its own status, 7.
pub(super) fn dequeue_shared_queue(queue: u32) -> Result<Option<Vec<u8>>, HostError> {
    const EMPTY: u32 = 7;
    let mut handed = Handed::new();
    // SAFETY: as in `buffer`.
    let status = unsafe { proxy_dequeue_shared_queue(queue, &raw mut handed.data, &raw mut handed.size) };
    if status == EMPTY {
        return Ok(None);
    }
    found(status, || handed.into_vec())
}

pub(super) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, HostError> {
    let mut handed = Handed::new();
    // SAFETY: as in `log` and `buffer`.
    HostError::check(unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut handed.data,
            &raw mut handed.size,
        )
    })?;
    Ok(handed.into_vec())
}

pub(super) fn define_metric(kind: u32, name: &str) -> Result<u32, HostError> {
    let mut metric = 0;
    // SAFETY: as in `log`; the host writes one u32.
    HostError::check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

pub(super) fn record_metric(metric: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: no pointers.
    HostError::check(unsafe { proxy_record_metric(metric, value) })
}

pub(super) fn increment_metric(metric: u32, offset: i64) -> Result<(), HostError> {
    // SAFETY: no pointers.
    HostError::check(unsafe { proxy_increment_metric(metric, offset) })
}

/// `grpc_status` is negative for an HTTP answer; then `message` is its body.
pub(super) fn send_local_response(
    status: u32,
    headers: &[u8],
    message: &[u8],
    grpc_status: i32,
) -> Result<(), HostError> {
    // SAFETY: as in `log`; a null pointer of size 0 stands for no details.
    HostError::check(unsafe {
        proxy_send_local_response(
            status,
            null_mut(),
            0,
            message.as_ptr(),
            message.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}
