//! Reports in the forms of other tools: folded stacks, flame graph, CSV, Perfetto.
//!
//! Pure: reports in, bytes out. Names are escaped here, once, for the format at hand.

pub mod csv;
pub mod flamegraph;
pub mod folded;
pub mod perfetto;
