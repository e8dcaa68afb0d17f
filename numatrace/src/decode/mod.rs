//! decode: bytes to typed events, never a panic.
