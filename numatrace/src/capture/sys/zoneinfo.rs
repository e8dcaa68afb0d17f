//! `/proc/zoneinfo`: free pages and watermarks of each zone.

use std::path::Path;

use super::{ReadError, read_text};
use crate::ids::NodeId;

/// One populated zone, in base pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Its node.
    pub node: NodeId,
    /// `DMA`, `DMA32`, `Normal`, `Movable`, `Device`.
    pub name: String,
    /// Pages the allocator manages.
    pub managed: u64,
    /// Free pages.
    pub free: u64,
    /// Below this watermark an allocation must reclaim memory itself.
    pub min: u64,
    /// Below this watermark kswapd is woken, and other nodes are tried first.
    pub low: u64,
    /// kswapd reclaims up to this watermark.
    pub high: u64,
    /// Free pages that the CPUs keep ready in lists of their own; `free` does not have them.
    pub ready: u64,
    /// Free pages that the zone keeps from requests that could use higher zones.
    pub reserved: Reserved,
}

/// Pages kept from each kind of request; `None` for requests that the zone does not serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// From memory of programs, which any zone up to Movable may serve.
    pub user: Option<u64>,
    /// From memory of the kernel, which any zone up to Normal may serve.
    pub kernel: Option<u64>,
    /// From devices that address 4 GiB, which any zone up to DMA32 may serve.
    pub dma32: Option<u64>,
}

/// Reads the zones that have memory, in the kernel's order.
pub fn read(root: &Path) -> Result<Vec<Zone>, ReadError> {
    let text = read_text(root, "proc/zoneinfo")?;
    let zones = parse(&text).ok_or_else(|| {
        ReadError::garbage(
            root.join("proc/zoneinfo"),
            "a zone's numbers cannot be read",
        )
    })?;
    if zones.is_empty() {
        return Err(ReadError::garbage(
            root.join("proc/zoneinfo"),
            "it names no zone with memory",
        ));
    }
    Ok(zones)
}

fn parse(text: &str) -> Option<Vec<Zone>> {
    let mut zones: Vec<Zone> = Vec::new();
    let mut protections: Vec<Vec<u64>> = Vec::new();
    for line in text.lines() {
        if let Some((node, name)) = header(line) {
            zones.push(Zone {
                node,
                name: name.to_owned(),
                ..Zone::default()
            });
            protections.push(Vec::new());
            continue;
        }
        let Some(zone) = zones.last_mut() else {
            continue;
        };
        let mut words = line.split_ascii_whitespace();
        // The zone's own rows have a name without a colon; per-CPU rows ("high: 14") have one.
        let (field, value) = match (words.next(), words.next()) {
            (Some("pages"), Some("free")) => (&mut zone.free, words.next()?),
            (Some("min"), Some(value)) => (&mut zone.min, value),
            (Some("low"), Some(value)) => (&mut zone.low, value),
            (Some("high"), Some(value)) => (&mut zone.high, value),
            (Some("managed"), Some(value)) => (&mut zone.managed, value),
            (Some("protection:"), Some(_)) => {
                if let Some(last) = protections.last_mut() {
                    *last = protection(line)?;
                }
                continue;
            }
            (Some("count:"), Some(value)) => {
                zone.ready = zone.ready.saturating_add(value.parse().ok()?);
                continue;
            }
            _ => continue,
        };
        *field = value.parse().ok()?;
    }
    reserve(&mut zones, &protections);
    zones.retain(|zone| zone.managed > 0);
    Some(zones)
}

/// Parses `protection: (0, 2934, 7882)`.
fn protection(line: &str) -> Option<Vec<u64>> {
    let (_, list) = line.split_once('(')?;
    let list = list.trim_end().strip_suffix(')')?;
    list.split(',')
        .map(|word| word.trim().parse().ok())
        .collect()
}

/// Fills what zones keep from requests. A protection has a number for each zone of the kernel: what
/// is kept from requests whose highest zone is that one. The kernel lists all zones of a node in
/// that order, also those without memory.
fn reserve(zones: &mut [Zone], protections: &[Vec<u64>]) {
    let names: Vec<(NodeId, String)> = zones
        .iter()
        .map(|zone| (zone.node, zone.name.clone()))
        .collect();
    let nth = |node: NodeId, name: &str| {
        let mut own = names.iter().filter(|(of, _)| *of == node);
        own.position(|(_, own)| own == name)
    };
    for (zone, protection) in zones.iter_mut().zip(protections) {
        let node = zone.node;
        let own = nth(node, &zone.name).unwrap_or(0);
        // Without a list nothing is known to be kept.
        let kept = |highest: Option<usize>| {
            let highest = highest.filter(|highest| *highest >= own)?;
            Some(protection.get(highest).copied().unwrap_or(0))
        };
        // Device memory is not given out to anyone.
        if zone.name == "Device" {
            continue;
        }
        zone.reserved = Reserved {
            user: kept(Some(nth(node, "Movable").unwrap_or(usize::MAX))),
            kernel: kept(nth(node, "Normal")),
            dma32: kept(nth(node, "DMA32")),
        };
    }
}

/// Parses `Node 0, zone   Normal`.
pub(super) fn header(line: &str) -> Option<(NodeId, &str)> {
    let (node, zone) = line.strip_prefix("Node ")?.split_once(',')?;
    let name = zone.trim_start().strip_prefix("zone")?.trim();
    Some((NodeId(node.parse().ok()?), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    const TEXT: &str = "\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 219665
  pages free     3840
        boost    0
        min      15
        low      18
        high     21
        promo    24
        managed  3840
        protection: (0, 3000)
      nr_free_pages 3840
  pagesets
    cpu: 0
              count:    12
              high:     14
    cpu: 1
              count:    30
              high:     14
Node 0, zone  Movable
  pages free     0
        min      32
        managed  0
Node 2, zone   Normal
  pages free     7
        min      1
        managed  9";

    #[test]
    fn zones_with_memory_and_only_their_own_numbers() {
        let zones = parse(TEXT).unwrap();
        let [dma, normal] = zones.as_slice() else {
            panic!("{zones:?}")
        };
        assert_eq!(
            (dma.free, dma.min, dma.low, dma.high, dma.managed),
            (3840, 15, 18, 21, 3840)
        );
        assert_eq!((dma.ready, normal.ready), (42, 0), "all CPUs");
        let reserved = Reserved {
            user: Some(3000),
            kernel: None,
            dma32: None,
        };
        assert_eq!(dma.reserved, reserved, "the node has no zone Normal");
        assert_eq!(
            (normal.node, normal.name.as_str(), normal.free),
            (NodeId(2), "Normal", 7)
        );
    }

    #[test]
    fn garbage_is_an_error_and_this_machine_reads() {
        let dir = tempfile::tempdir().unwrap();
        for garbage in [
            "",
            "hello",
            "Node 0, zone Normal\n  pages free x\n managed 3",
        ] {
            write(&dir.path().join("proc/zoneinfo"), garbage);
            assert!(read(dir.path()).is_err(), "{garbage}");
        }
        assert!(
            read(Path::new("/"))
                .unwrap()
                .iter()
                .all(|zone| zone.free <= zone.managed && zone.min <= zone.low)
        );
    }
}
