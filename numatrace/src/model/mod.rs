//! model: the snapshot: plain data with serde, no I/O.
