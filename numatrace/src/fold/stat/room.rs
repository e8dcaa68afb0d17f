//! Memory that each kind of request can still get from a node, from its zones.
//!
//! A zone gives a request only what lies above its watermark and above what it reserves for
//! requests that cannot use higher zones (`lowmem_reserve`, in `/proc/zoneinfo` as `protection`).
//! So free memory of a node adds up to more than any request can have: programs take from all
//! zones, the kernel not from Movable, and devices with short addresses from DMA32 and below only.

use crate::capture::sys::meminfo::{Row, kib};
use crate::capture::sys::zoneinfo::Zone;
use crate::model::stat::pressure::Room;

/// Returns what each kind of request can get before reclaim begins, in KiB.
#[must_use]
pub fn before_reclaim(zones: &[&Zone], page_kib: u64) -> Room {
    Room {
        user_kib: usable(zones, page_kib, |zone| zone.reserved.user),
        kernel_kib: usable(zones, page_kib, |zone| zone.reserved.kernel),
        dma32_kib: usable(zones, page_kib, |zone| zone.reserved.dma32),
    }
}

/// Returns the KiB above low watermarks and reserves; `None` when no zone serves such requests.
fn usable(zones: &[&Zone], page_kib: u64, reserved: impl Fn(&Zone) -> Option<u64>) -> Option<u64> {
    let serving = zones.iter().filter_map(|zone| {
        let floor = zone.low.saturating_add(reserved(zone)?);
        Some(zone.free.saturating_sub(floor).saturating_mul(page_kib))
    });
    serving.fold(None, |sum, kib| {
        Some(sum.unwrap_or(0_u64).saturating_add(kib))
    })
}

/// Returns the KiB that programs can get before reclaim begins; without any, by how much the
/// largest zone is below its low watermark, as a negative number.
#[must_use]
pub fn above_low(zones: &[&Zone], page_kib: u64) -> Option<i64> {
    let signed = |kib: u64| i64::try_from(kib).unwrap_or(i64::MAX);
    let largest = zones.iter().max_by_key(|zone| zone.managed)?;
    let room = usable(zones, page_kib, |zone| zone.reserved.user).unwrap_or(0);
    if room > 0 {
        return Some(signed(room));
    }
    let missing = largest.low.saturating_sub(largest.free);
    Some(-signed(missing.saturating_mul(page_kib)))
}

/// Returns the KiB that programs can get without swapping: what is above the watermarks, and file
/// pages and reclaimable slab, less what the kernel keeps of them (as MemAvailable is computed for
/// the machine, `si_mem_available`).
#[must_use]
pub fn available(zones: &[&Zone], rows: &[Row], page_kib: u64) -> Option<u64> {
    let above = above_low(zones, page_kib)?;
    let low = zones
        .iter()
        .fold(0_u64, |sum, zone| sum.saturating_add(zone.low));
    let low = low.saturating_mul(page_kib);
    let less_kept = |kib: u64| kib - (kib / 2).min(low);
    let files = kib(rows, "Active(file)")?.saturating_add(kib(rows, "Inactive(file)")?);
    let reclaimable = less_kept(files).saturating_add(less_kept(kib(rows, "SReclaimable")?));
    let sum = above.saturating_add(i64::try_from(reclaimable).unwrap_or(i64::MAX));
    Some(u64::try_from(sum).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::meminfo::Unit;
    use crate::capture::sys::zoneinfo::Reserved;

    fn zone(name: &str, free: u64, reserved: [Option<u64>; 3]) -> Zone {
        let [user, kernel, dma32] = reserved;
        Zone {
            name: name.to_owned(),
            managed: 10_000,
            free,
            low: 100,
            reserved: Reserved {
                user,
                kernel,
                dma32,
            },
            ..Zone::default()
        }
    }

    #[test]
    fn each_request_gets_what_its_zones_have_above_their_reserves() {
        let dma32 = zone("DMA32", 1100, [Some(700), Some(500), Some(0)]);
        let normal = zone("Normal", 300, [Some(50), Some(0), None]);
        let movable = zone("Movable", 5100, [Some(0), None, None]);
        let zones = [&dma32, &normal, &movable];
        assert_eq!(
            before_reclaim(&zones, 4),
            Room {
                user_kib: Some((300 + 150 + 5000) * 4),
                kernel_kib: Some((500 + 200) * 4),
                dma32_kib: Some(1000 * 4),
            }
        );
        let movable_only = before_reclaim(&[&movable], 4);
        assert_eq!(
            (movable_only.kernel_kib, movable_only.dma32_kib),
            (None, None)
        );
        assert_eq!(above_low(&zones, 4), Some(5450 * 4));
        let full = zone("Normal", 60, [Some(0), Some(0), None]);
        assert_eq!(above_low(&[&full], 4), Some(-160));
        assert_eq!(above_low(&[], 4), None);
    }

    #[test]
    fn available_memory_is_free_and_reclaimable_less_what_the_kernel_keeps() {
        let row = |name: &str, value| Row {
            name: name.to_owned(),
            value,
            unit: Unit::KiB,
        };
        let rows = [
            row("Active(file)", 10_000),
            row("Inactive(file)", 10_000),
            row("SReclaimable", 200),
        ];
        let normal = zone("Normal", 600, [Some(0), Some(0), None]);
        let kept = 400;
        assert_eq!(
            available(&[&normal], &rows, 4),
            Some(500 * 4 + 20_000 - kept + 100)
        );
        let empty = zone("Normal", 0, [Some(0), Some(0), None]);
        assert_eq!(
            available(&[&empty], &rows, 4),
            Some(20_000 - kept + 100 - 400),
            "what is below the watermark is filled first"
        );
        assert_eq!(available(&[&normal], &[], 4), None);
    }
}
