//! Host, path, method and header matching.
