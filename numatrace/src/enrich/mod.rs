//! enrich: facts that expire, joined now: process incarnation, mapping, nodes.

pub mod topology;
