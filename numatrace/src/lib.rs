//! numatrace: a live NUMA placement tracer.
//!
//! Folders are stages and stand here in the order data flows; the files beside them are glue.

pub mod cli;
pub mod command;
pub mod console;
pub mod exit;
pub mod ids;
pub mod ingest;
pub mod limits;
pub mod plan;
pub mod recording;
pub mod session;

pub mod attach;
pub mod capture;
pub mod decode;
pub mod enrich;
pub mod fold;
pub mod label;
pub mod model;
pub mod output;
