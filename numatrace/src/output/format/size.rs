//! Sizes that are not counted in pages; those that are have
//! [`number::mib`](crate::model::number::mib).

use crate::model::number::UNKNOWN;

/// Converts a signed size in KiB for a division; sizes of memory in KiB stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
#[must_use]
pub fn float(kib: i64) -> f64 {
    kib as f64
}

/// Formats KiB as MiB without the unit, with `decimals`.
#[must_use]
pub fn mib(kib: f64, decimals: usize) -> String {
    format!("{:.decimals$}", kib / 1024.0)
}

/// Formats a difference in KiB as MiB with its sign and two decimals.
#[must_use]
pub fn signed_mib(kib: f64) -> String {
    format!("{:+.2}", kib / 1024.0)
}

/// Formats bytes as MiB with one decimal, rounded up: small sizes are not 0.
#[must_use]
pub fn mib_of_bytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// Formats KiB as numactl does: whole MiB, rounded down, with the unit `MB`.
#[must_use]
pub fn numactl(kib: Option<u64>) -> String {
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MB", kib / 1024))
}

/// Formats KiB with the unit that fits.
#[must_use]
pub fn with_unit(kib: Option<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size needs three digits")]
    let Some(kib) = kib.map(|kib| kib as f64) else {
        return UNKNOWN.into();
    };
    match kib {
        k if k < 1_024.0 => format!("{k:.0} KiB"),
        k if k < 10.0 * 1_024.0 => format!("{:.1} MiB", k / 1_024.0),
        k if k < 10_000.0 * 1_024.0 => format!("{:.0} MiB", k / 1_024.0),
        k if k < 1_024.0 * 1_024.0 * 1_024.0 => format!("{:.1} GiB", k / 1_024.0 / 1_024.0),
        k => format!("{:.1} TiB", k / 1_024.0 / 1_024.0 / 1_024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_their_unit() {
        assert_eq!(with_unit(Some(512)), "512 KiB");
        assert_eq!(with_unit(Some(520_192)), "508 MiB");
        assert_eq!(with_unit(Some(128 << 20)), "128.0 GiB");
        assert_eq!(with_unit(None), "-");
    }

    #[test]
    fn a_small_size_is_not_nothing() {
        assert_eq!(mib_of_bytes(1), "0.1 MiB");
        assert_eq!(mib_of_bytes(0), "0.0 MiB");
        assert_eq!(mib(1536.0, 2), "1.50");
    }
}
