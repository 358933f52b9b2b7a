//! The event store: the only thing ever written.
