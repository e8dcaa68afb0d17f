//! The kernel's settings for placement (sysctls, sysfs, debugfs), and the meaning of each value.
//!
//! A knob that this kernel lacks is left out; a knob that may not be read stays, with the reason.

use std::path::Path;

use crate::capture::sys::{ReadError, read_names, read_text};

/// A setting of this machine.
#[derive(Debug)]
pub struct Knob {
    /// Its usual name.
    pub name: String,
    /// Its file: `/proc/sys/vm/zone_reclaim_mode`.
    pub path: String,
    /// Its value, or why there is none.
    pub value: Result<String, ReadError>,
    /// The meaning of the value for placement; the purpose of the knob when it could not be read.
    pub implies: String,
}

/// A known knob.
struct Known {
    name: &'static str,
    path: &'static str,
    /// Its purpose, for the case that its value cannot be read.
    about: &'static str,
    /// Returns the meaning of a value.
    implies: fn(&str) -> String,
}

/// The known knobs, the most important first.
const KNOWN: &[Known] = &[
    Known {
        name: "kernel.numa_balancing",
        path: "proc/sys/kernel/numa_balancing",
        about: "automatic NUMA balancing",
        implies: numa_balancing,
    },
    Known {
        name: "kernel.numa_balancing_promote_rate_limit_MBps",
        path: "proc/sys/kernel/numa_balancing_promote_rate_limit_MBps",
        about: "limit of promotion from slow tiers",
        implies: |value| {
            format!(
                "promotes at most {value} MB/s per node; matters with numa_balancing 2 or 3 only"
            )
        },
    },
    Known {
        name: "vm.numa_stat",
        path: "proc/sys/vm/numa_stat",
        about: "counting of numa_hit and the other five counters",
        implies: numa_stat,
    },
    Known {
        name: "vm.zone_reclaim_mode",
        path: "proc/sys/vm/zone_reclaim_mode",
        about: "reclaim of a full node before others are used",
        implies: zone_reclaim,
    },
    Known {
        name: "vm.min_unmapped_ratio",
        path: "proc/sys/vm/min_unmapped_ratio",
        about: "page cache that zone reclaim leaves alone",
        implies: |value| {
            format!(
                "zone reclaim starts above {value} % unmapped page cache; no effect with \
                 zone_reclaim_mode 0"
            )
        },
    },
    Known {
        name: "vm.min_slab_ratio",
        path: "proc/sys/vm/min_slab_ratio",
        about: "slab that zone reclaim leaves alone",
        implies: |value| {
            format!(
                "zone reclaim starts above {value} % reclaimable slab; no effect with \
                 zone_reclaim_mode 0"
            )
        },
    },
    Known {
        name: "demotion",
        path: "sys/kernel/mm/numa/demotion_enabled",
        about: "demotion of cold pages to slower memory",
        implies: demotion,
    },
    Known {
        name: "transparent_hugepage/enabled",
        path: "sys/kernel/mm/transparent_hugepage/enabled",
        about: "huge pages for anonymous memory",
        implies: thp_enabled,
    },
    Known {
        name: "transparent_hugepage/defrag",
        path: "sys/kernel/mm/transparent_hugepage/defrag",
        about: "how hard a fault tries for a huge page",
        implies: thp_defrag,
    },
    Known {
        name: "numa_balancing/scan_delay_ms",
        path: "sys/kernel/debug/sched/numa_balancing/scan_delay_ms",
        about: "wait before a new task is scanned",
        implies: |value| {
            format!("a task's memory is first scanned after {value} ms of its run time")
        },
    },
    Known {
        name: "numa_balancing/scan_period_min_ms",
        path: "sys/kernel/debug/sched/numa_balancing/scan_period_min_ms",
        about: "fastest scanning",
        implies: |value| format!("scans a task's memory at most every {value} ms"),
    },
    Known {
        name: "numa_balancing/scan_period_max_ms",
        path: "sys/kernel/debug/sched/numa_balancing/scan_period_max_ms",
        about: "slowest scanning",
        implies: |value| format!("tasks with stable placement are still scanned every {value} ms"),
    },
    Known {
        name: "numa_balancing/scan_size_mb",
        path: "sys/kernel/debug/sched/numa_balancing/scan_size_mb",
        about: "size of one scan",
        implies: |value| format!("one scan marks {value} MB for hint faults"),
    },
    Known {
        name: "numa_balancing/hot_threshold_ms",
        path: "sys/kernel/debug/sched/numa_balancing/hot_threshold_ms",
        about: "what counts as hot in a slow tier",
        implies: |value| format!("a slow-tier page used again within {value} ms is promoted"),
    },
];

/// Reads the knobs of this kernel.
#[must_use]
pub fn read(root: &Path) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = KNOWN
        .iter()
        .filter_map(|known| read_one(root, known))
        .collect();
    knobs.extend(weighted_interleave(root));
    knobs
}

fn read_one(root: &Path, known: &Known) -> Option<Knob> {
    let value = match read_text(root, known.path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.is_absent() => return None,
        Err(error) => Err(error),
    };
    let implies = match &value {
        Ok(value) => (known.implies)(value),
        Err(_) => known.about.to_owned(),
    };
    Some(Knob {
        name: known.name.to_owned(),
        path: format!("/{}", known.path),
        value,
        implies,
    })
}

/// Reads one knob for each node (since 6.9), and `auto` (since 6.16).
fn weighted_interleave(root: &Path) -> Vec<Knob> {
    let dir = "sys/kernel/mm/mempolicy/weighted_interleave";
    let names = read_names(root, dir).unwrap_or_default();
    let files = names
        .into_iter()
        .filter(|name| name == "auto" || name.starts_with("node"));
    let knob = |name: String| {
        let path = format!("{dir}/{name}");
        let value = read_text(root, &path).map(|text| text.trim().to_owned());
        let implies = match (&value, name.as_str()) {
            (Ok(value), "auto") if value == "true" || value == "1" || value == "Y" => {
                "weights follow the bandwidth that firmware states".to_owned()
            }
            (Ok(_), "auto") => "weights are set by hand".to_owned(),
            (Ok(value), node) => {
                format!("MPOL_WEIGHTED_INTERLEAVE gives {node} {value} pages per round")
            }
            (Err(_), _) => "share of weighted interleave".to_owned(),
        };
        Knob {
            name: format!("weighted_interleave/{name}"),
            path: format!("/{path}"),
            value,
            implies,
        }
    };
    files.map(knob).collect()
}

fn numa_balancing(value: &str) -> String {
    match value {
        "0" => "off: no hint faults; pages stay where first touch or policy put them",
        "1" => {
            "on: the kernel samples accesses by hint faults, moves pages to their users and tasks \
             to their memory"
        }
        "2" => {
            "memory tiering only: hot pages are promoted from slow tiers; no balancing between \
             equal nodes"
        }
        "3" => "balancing between nodes, and promotion of hot pages from slow tiers",
        _ => "a mode this version does not know",
    }
    .to_owned()
}

fn numa_stat(value: &str) -> String {
    match value {
        "0" => {
            "counters are frozen at zero: `stat` shows nothing and no audit is possible; \
             sysctl vm.numa_stat=1 starts them"
        }
        _ => "the six counters run",
    }
    .to_owned()
}

fn zone_reclaim(value: &str) -> String {
    let Ok(bits) = value.parse::<u32>() else {
        return "a value this version does not know".to_owned();
    };
    if bits & 7 == 0 {
        return "a full node spills to other nodes: numa_miss instead of reclaim".to_owned();
    }
    let mut how = vec![
        "a full node is reclaimed before other nodes are used: fewer misses, stalls in \
         allocation",
    ];
    if bits & 2 != 0 {
        how.push("writes dirty pages");
    }
    if bits & 4 != 0 {
        how.push("unmaps and swaps pages");
    }
    how.join("; ")
}

fn demotion(value: &str) -> String {
    match value {
        "true" | "1" => "reclaim moves cold pages to a slower tier instead of dropping them",
        _ => "reclaim drops or swaps pages; slower tiers are not used for it",
    }
    .to_owned()
}

/// Returns the choice in brackets of a list such as `always [madvise] never`.
fn chosen(value: &str) -> &str {
    value
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
        .unwrap_or(value)
}

fn thp_enabled(value: &str) -> String {
    match chosen(value) {
        "always" => {
            "a first touch can place 512 base pages at once (on x86), on the toucher's node"
        }
        "madvise" => "huge pages only where a program asks with madvise",
        "never" => {
            "no huge pages for anonymous memory; each base page is placed by its own first touch"
        }
        _ => "a mode this version does not know",
    }
    .to_owned()
}

fn thp_defrag(value: &str) -> String {
    match chosen(value) {
        "always" => {
            "each huge page fault may compact and reclaim its node: stalls, fewer remote huge pages"
        }
        "defer" => "faults do not wait; kswapd and kcompactd make huge pages later",
        "defer+madvise" => {
            "only madvised memory compacts at the fault; the rest is left to kcompactd"
        }
        "madvise" => "only madvised memory compacts and reclaims at the fault",
        "never" => "a fault takes a huge page only when one is free",
        _ => "a mode this version does not know",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::write, *};

    #[test]
    fn knobs_the_kernel_lacks_are_left_out_and_the_rest_say_what_they_imply() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("proc/sys/vm/zone_reclaim_mode"), "5");
        write(
            &dir.path()
                .join("sys/kernel/mm/transparent_hugepage/enabled"),
            "always [madvise] never",
        );
        write(
            &dir.path()
                .join("sys/kernel/mm/mempolicy/weighted_interleave/node1"),
            "3",
        );
        let knobs = read(dir.path());
        let names: Vec<&str> = knobs.iter().map(|knob| knob.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "vm.zone_reclaim_mode",
                "transparent_hugepage/enabled",
                "weighted_interleave/node1"
            ]
        );
        assert!(knobs[0].implies.contains("unmaps"), "{knobs:?}");
        assert!(!knobs[0].implies.contains("writes"), "{knobs:?}");
        assert!(knobs[1].implies.contains("asks with madvise"));
        assert!(knobs[2].implies.contains("3 pages per round"));
        assert_eq!(knobs[0].path, "/proc/sys/vm/zone_reclaim_mode");
    }

    #[test]
    fn an_unreadable_knob_stays_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        // A directory in its place cannot be read, even by root.
        std::fs::create_dir_all(dir.path().join("proc/sys/vm/numa_stat")).unwrap();
        let knobs = read(dir.path());
        assert!(
            matches!(knobs.as_slice(), [Knob { value: Err(_), .. }]),
            "{knobs:?}"
        );
    }

    #[test]
    fn unknown_values_are_not_explained_away() {
        assert!(numa_balancing("9").contains("not know"));
        assert!(zone_reclaim("on").contains("not know"));
        assert!(thp_enabled("[sometimes]").contains("not know"));
    }
}
