//! Arguments of `numatrace record`.

use clap::{Args, ValueEnum};

use super::trace::TraceArgs;

/// Trace as `numatrace trace` does, into a recording that `numatrace report` shows later, on any
/// machine.
///
/// The recording is written while the session runs. If numatrace is killed, or the disk is full,
/// the file reads up to its last whole part, and its report says so.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// Options of the session.
    #[command(flatten)]
    pub trace: TraceArgs,

    /// Largest size of the recording, whatever the load: 64K at least, 100M, 2G; while it is
    /// written, a second file takes up to as much again
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// Part of the session to keep when it does not fit: the last, as a flight recorder does, or
    /// the first; sums cover the whole session either way
    #[arg(long, value_enum, default_value_t, requires = "max_size")]
    pub keep: KeepArg,

    /// Print the report at the end, as `numatrace trace` does
    #[arg(long)]
    pub report: bool,
}

/// Part of a session that stays when it does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KeepArg {
    /// Its start.
    First,
    /// Its end: a flight recorder.
    #[default]
    Last,
}

/// Smallest limit of a recording, bytes: less has no room for a base and the records after it.
const SMALLEST: u64 = 64 << 10;

/// Parses a number of bytes; K, M and G are powers of 1024.
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
        Some(bytes) if bytes >= SMALLEST => Ok(bytes),
        Some(_) => Err("a recording needs 64K at least".to_owned()),
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
