//! Reads JSON with little code: what filters are configured with, and what the control plane tells them.
//!
//! serde_json reads each type with code of its own, and each struct with two: it may be an object or an array. In a module
//! that is a fifth of all code. Here serde_json splits objects and arrays into the texts of their values, one function for
//! all types, and a type only takes what it names. Every level of an object is read once for each level above it,
//! which nobody feels: objects are few levels deep, and read once.
//!
//! The answer is serde_json's, but for this: an array is no struct, keys of maps are strings, what is skipped is UTF-8 as
//! well, and the place of an error is that of the value which is at fault or the last one before it. Not for types that
//! contain themselves: how deep they are read is not limited.
//!
//! ```
//! let sizes: Vec<u32> = weir_policy::json::from_slice(b"[1, 2]").unwrap();
//! assert_eq!(sizes, [1, 2]);
//! let error = weir_policy::json::from_slice::<Vec<u32>>(b"[1,\n -2]").unwrap_err();
//! assert_eq!((error.line(), error.column()), (2, 2));
//! ```

mod access;
mod node;
mod text;

use std::cell::Cell;

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Error;
use serde_json::value::RawValue;

use self::text::Text;

/// Reads a `T`.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let whole: &RawValue = serde_json::from_slice(json)?;
    let place = Cell::default();
    T::deserialize(Text::new(whole, &place)).map_err(|error| placed(&error, json, place.get()))
}

/// The error, with its place: the address of a byte of `json`.
#[inline(never)]
fn placed(error: &Error, json: &[u8], address: usize) -> Error {
    let offset = address.saturating_sub(json.as_ptr().addr());
    let before = json.get(..offset).unwrap_or_default();
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.len() - line_start;
    Error::custom(format_args!("{error} at line {line} column {column}"))
}
