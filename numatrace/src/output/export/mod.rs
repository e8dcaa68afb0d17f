//! Reports in the formats of other tools: folded stacks, flame graph, CSV, Perfetto.
//!
//! Pure: reports in, bytes out. Names are escaped here, once, for each format.

pub mod csv;
pub mod flamegraph;
pub mod folded;
pub mod perfetto;
