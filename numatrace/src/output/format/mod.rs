//! format: the parts that all text outputs have in common: numbers, tones, wrapped lines, tables,
//! names.
//!
//! Each exists once, so that two outputs cannot show one value differently. Numbers that findings
//! need as well are in [`model::number`](crate::model::number).

pub mod percent;
pub mod rate;
pub mod size;

pub mod cause;
pub mod fixes;
pub mod name;
pub mod scope;
pub mod width;

pub mod table;
pub mod tone;
pub mod wrap;

pub mod page;

/// Most nodes for which a table has one column per node; with more, it names the node with most.
pub const NODES_SIDE_BY_SIDE: usize = 4;
