//! `numatrace record`: what can be typed after it.

use clap::Args;

use super::trace::TraceArgs;
use crate::recording::files::{Files, Keep};

/// Trace as `numatrace trace` does, into a recording that `numatrace report` shows later, on any machine.
///
/// The file is written as the session goes on. A recorder that is killed, or a full disk, leaves a file that reads to its last whole part, and says so.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArgs,

    /// The most that the recording may take on disk: 100M, 2G; while it is written, half as much again beside it
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// What stays when it does not fit: the last of the session, as a flight recorder does, or the first; sums are of the whole session either way
    #[arg(long, value_enum, default_value_t, requires = "max_size")]
    pub keep: Keep,

    /// Print the report at the end too, as `numatrace trace` does
    #[arg(long)]
    pub report: bool,
}

/// A number of bytes; K, M and G are powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let way_out = "give a number of bytes, or one with K, M or G: 100M, 2G";
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text.get(digits.len()..).unwrap_or_default() {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "m" | "MiB" => 20,
        "G" | "g" | "GiB" => 30,
        _ => return Err(way_out.to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| way_out.to_owned())?;
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes >= Files::SMALLEST => Ok(bytes),
        Some(_) => Err("a recording takes 64K at least".to_owned()),
        None => Err(way_out.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert_eq!(size("100M"), Ok(100 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        for wrong in ["", "M", "-1M", "1.5G", "10X", "99999999999G", "1K"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
