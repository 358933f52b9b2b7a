//! The weir command line, but for serve.
