//! Parse, plan, run, exit code.

fn main() {}
