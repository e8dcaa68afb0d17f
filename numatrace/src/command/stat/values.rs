//! Names for `--fail-if` and `--alert` in `stat`, and their values in a sample. docs/stat.md lists
//! them.

use crate::{
    ids::NodeId,
    limits::expr::{Gap, Name, Values, Vocabulary, nearest},
    model::stat::{
        Sample,
        counters::{CounterView, NAMES},
        pressure::NodePressure,
    },
};

/// Counts: growth in the interval, or since boot in a single reading; `/s` is per second of the
/// interval. numastat's six counters and every name of `system` in the pressure section are counts,
/// too.
const COUNTS: [&str; 1] = ["allocations"];

/// Shares from 0 to 1 of these allocations, by node and of the machine.
const SHARES: [&str; 6] = [
    "hit_share",
    "local_share",
    "remote_share",
    "miss_share",
    "foreign_share",
    "local_share_change",
];

/// State of memory: bytes, or shares from 0 to 1, by node and of the machine.
const STATE: [&str; 9] = [
    "total",
    "free",
    "used",
    "free_share",
    "free_before_reclaim",
    "unreclaimable_slab",
    "unreclaimable_slab_share",
    "unexplained",
    "unusable_2m",
];

/// Names of the whole machine only.
const MACHINE: [&str; 13] = [
    "imbalance",
    "pswpin",
    "pswpout",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "allocstall_normal",
    "zone_reclaim_success",
    "compact_stall",
    "thp_fault_fallback",
    "numa_pages_migrated",
    "pgmigrate_fail",
];

/// Names of `proc(NAME or PID)` only: bytes.
const PROCESS: [&str; 1] = ["resident"];

/// Names that `stat` knows.
pub struct Names;

impl Vocabulary for Names {
    fn check(&self, name: &Name) -> Result<(), String> {
        let everywhere = || {
            NAMES
                .iter()
                .chain(&COUNTS)
                .chain(&SHARES)
                .chain(&STATE)
                .copied()
        };
        let known: Vec<&str> = match name
            .of
            .as_ref()
            .map(|(kind, which)| (kind.as_str(), which.as_str()))
        {
            None => everywhere().chain(MACHINE).collect(),
            Some(("node", "max" | "min")) => everywhere().collect(),
            Some(("node", which)) if which.parse::<u16>().is_ok() => everywhere().collect(),
            Some(("node", which)) => {
                return Err(format!(
                    "node({which}): there are node(NUMBER), node(max) and node(min)"
                ));
            }
            Some(("proc", "")) => return Err("proc() needs a name or PID".to_owned()),
            Some(("proc", _)) => PROCESS.to_vec(),
            Some((kind, _)) => {
                return Err(format!(
                    "unknown selector {kind}: there are node(…) and proc(…)"
                ));
            }
        };
        let word = name.name.as_str();
        if !known.contains(&word) {
            return Err(match nearest(word, known.iter().copied()) {
                Some(near) => format!("unknown name {word}: did you mean {near}?"),
                None => format!("unknown name {word}: there are {}", known.join(", ")),
            });
        }
        let countable = NAMES.contains(&word)
            || COUNTS.contains(&word)
            || (MACHINE.contains(&word) && word != "imbalance");
        if name.per_second && !countable {
            return Err(format!("{word} is no count, so it has no rate per second"));
        }
        Ok(())
    }
}

/// A sample, and the previous one for changes.
pub struct SampleValues<'a> {
    /// The current sample.
    pub now: &'a Sample,
    /// The sample printed before it.
    pub before: Option<&'a Sample>,
}

impl Values for SampleValues<'_> {
    fn value(&self, name: &Name) -> Result<f64, Gap> {
        self.known(name).ok_or_else(|| self.gap(name))
    }
}

impl SampleValues<'_> {
    fn known(&self, name: &Name) -> Option<f64> {
        let word = name.name.as_str();
        let value = match name
            .of
            .as_ref()
            .map(|(kind, which)| (kind.as_str(), which.as_str()))
        {
            None => self.machine(word),
            Some(("node", "max")) => self.nodes(word).reduce(f64::max),
            Some(("node", "min")) => self.nodes(word).reduce(f64::min),
            Some(("node", which)) => {
                let position = self
                    .now
                    .nodes
                    .binary_search(&NodeId(which.parse().ok()?))
                    .ok()?;
                self.node(word, position)
            }
            Some((_, which)) => self.process(which),
        }?;
        if name.per_second {
            Some(value / self.now.interval_s?)
        } else {
            Some(value)
        }
    }

    /// Returns why a name has no value.
    fn gap(&self, name: &Name) -> Gap {
        let of = name.of.as_ref();
        match of.map(|(kind, which)| (kind.as_str(), which.as_str())) {
            Some(("proc", _)) if self.now.processes.is_some() => return Gap::NoSuch,
            Some(("node", which)) => {
                let number = which.parse().map(NodeId);
                if number.is_ok_and(|node| !self.now.nodes.contains(&node)) {
                    return Gap::NoSuch;
                }
            }
            _ => {}
        }
        let counted = self.now.counters.is_some() && SHARES.contains(&name.name.as_str());
        let changes = name.name == "local_share_change" && self.before.is_none();
        if counted && !changes {
            Gap::Nothing
        } else {
            Gap::Unmeasured
        }
    }

    fn machine(&self, word: &str) -> Option<f64> {
        let pressure = self.now.pressure.as_ref();
        if word == "imbalance" {
            return self.now.counters.as_ref()?.interval.as_ref()?.imbalance;
        }
        if STATE.contains(&word) {
            let nodes = &pressure?.nodes;
            let sum = |part: &str| {
                nodes
                    .iter()
                    .map(|node| state(part, node))
                    .sum::<Option<f64>>()
            };
            return match word {
                "free_share" => Some(sum("free")? / sum("total")?),
                "unreclaimable_slab_share" => Some(sum("unreclaimable_slab")? / sum("used")?),
                // Fragmentation of several nodes has no sum.
                "unusable_2m" => None,
                other => sum(other),
            };
        }
        if MACHINE.contains(&word) {
            let activity = pressure?
                .system
                .iter()
                .find(|activity| activity.name == word)?;
            return Some(float(activity.growth.unwrap_or(activity.total)));
        }
        self.change(word, total)
    }

    fn nodes(&self, word: &str) -> impl Iterator<Item = f64> {
        (0..self.now.nodes.len()).filter_map(move |position| self.node(word, position))
    }

    fn node(&self, word: &str, position: usize) -> Option<f64> {
        if STATE.contains(&word) {
            return state(word, self.now.pressure.as_ref()?.nodes.get(position)?);
        }
        let id = self.now.nodes.get(position)?;
        self.change(word, |sample| {
            view(sample, sample.nodes.binary_search(id).ok()?)
        })
    }

    /// Returns a value computed from the counters of a view, or its change since the previous
    /// sample.
    fn change(&self, word: &str, view: impl Fn(&Sample) -> Option<CounterView>) -> Option<f64> {
        let now = view(self.now)?;
        if word == "local_share_change" {
            return Some(now.local_share? - view(self.before?)?.local_share?);
        }
        counted(word, &now)
    }

    fn process(&self, which: &str) -> Option<f64> {
        let processes = &self.now.processes.as_ref()?.processes;
        let wanted = |process: &&crate::model::stat::memory::ProcessMemory| {
            process.pid.to_string() == which || process.comm == *which
        };
        let resident = |process: &crate::model::stat::memory::ProcessMemory| {
            process
                .numastat
                .totals()
                .into_iter()
                .map(float)
                .sum::<f64>()
        };
        let matching: Vec<f64> = processes.iter().filter(wanted).map(resident).collect();
        (!matching.is_empty()).then(|| matching.iter().sum::<f64>() * 1024.0)
    }
}

/// Returns the growth in the interval, or the counts since boot in a single reading.
fn view(sample: &Sample, position: usize) -> Option<CounterView> {
    let section = sample.counters.as_ref()?;
    let nodes = section
        .interval
        .as_ref()
        .map_or(&section.nodes, |interval| &interval.nodes);
    nodes.get(position).copied().flatten()
}

fn total(sample: &Sample) -> Option<CounterView> {
    let section = sample.counters.as_ref()?;
    Some(
        section
            .interval
            .as_ref()
            .map_or(section.total, |interval| interval.total),
    )
}

fn counted(word: &str, view: &CounterView) -> Option<f64> {
    let counters = &view.counters;
    let share = |part: u64, whole: u64| (whole > 0).then(|| float(part) / float(whole));
    match word {
        "allocations" => Some(float(counters.allocations())),
        "hit_share" => view.hit_share,
        "local_share" => view.local_share,
        "remote_share" => view.local_share.map(|local| 1.0 - local),
        "miss_share" => share(counters.numa_miss, counters.allocations()),
        // Share of all allocations that preferred this node.
        "foreign_share" => share(
            counters.numa_foreign,
            counters.numa_hit.saturating_add(counters.numa_foreign),
        ),
        name => {
            let position = NAMES.iter().position(|known| *known == name)?;
            counters.values().get(position).map(|&count| float(count))
        }
    }
}

/// Returns a value of a node's memory; sizes are in bytes.
fn state(word: &str, node: &NodePressure) -> Option<f64> {
    let bytes = |kib: Option<u64>| kib.map(|kib| float(kib) * 1024.0);
    let used = || {
        node.total_kib
            .zip(node.free_kib)
            .map(|(total, free)| total.saturating_sub(free))
    };
    match word {
        "total" => bytes(node.total_kib),
        "free" => bytes(node.free_kib),
        "used" => bytes(used()),
        "free_share" => {
            Some(bytes(node.free_kib)? / bytes(node.total_kib).filter(|&total| total > 0.0)?)
        }
        "free_before_reclaim" => node.above_low_kib.map(|kib| signed(kib) * 1024.0),
        "unreclaimable_slab" => bytes(node.slab_unreclaimable_kib),
        "unreclaimable_slab_share" => node.slab_unreclaimable_share,
        "unexplained" => bytes(node.unexplained_kib),
        "unusable_2m" => node.unusable.get(9).copied(),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "compared with thresholds that people typed"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "compared with thresholds that people typed"
)]
fn signed(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::expr::Expr;
    use crate::model::stat::counters::{CounterInterval, CounterSection, Counters};
    use crate::model::stat::pressure::{Activity, PressureSection};

    fn sample(local: u64, other: u64) -> Sample {
        let view = |numa_hit, numa_miss, numa_foreign, local_node, other_node| {
            CounterView::from(Counters {
                numa_hit,
                numa_miss,
                numa_foreign,
                interleave_hit: 0,
                local_node,
                other_node,
            })
        };
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(4)]);
        sample.interval_s = Some(2.0);
        let nodes = vec![
            Some(view(60, 0, 40, local, other)),
            Some(view(60, 40, 0, 100, 0)),
        ];
        let interval = CounterInterval {
            nodes,
            total: view(120, 40, 40, local + 100, other),
            imbalance: Some(0.1),
        };
        sample.counters = Some(CounterSection {
            counting: None,
            nodes: vec![],
            total: interval.total,
            interval: Some(interval),
        });
        let node = |node, free, above| NodePressure {
            node: NodeId(node),
            total_kib: Some(1000),
            free_kib: Some(free),
            above_low_kib: Some(above),
            unexplained_kib: (node == 4).then_some(7),
            ..NodePressure::default()
        };
        sample.pressure = Some(PressureSection {
            nodes: vec![node(0, 10, -5), node(4, 500, 400)],
            system: vec![Activity {
                name: "pswpout".to_owned(),
                total: 99,
                growth: Some(8),
            }],
            ..PressureSection::default()
        });
        sample
    }

    fn holds(text: &str) -> Option<bool> {
        let (before, now) = (sample(100, 0), sample(90, 10));
        let values = SampleValues {
            now: &now,
            before: Some(&before),
        };
        Expr::parse(text, &Names)
            .unwrap_or_else(|mistake| panic!("{mistake}"))
            .evaluate(&values)
            .holds
    }

    #[test]
    fn names_have_the_values_they_say() {
        for text in [
            "numa_foreign == 40 and numa_foreign/s == 20 and allocations == 160",
            "remote_share == 10 / 200 and node(0).remote_share == 10%",
            "foreign_share == 25% and node(0).foreign_share == 40% and miss_share == 25%",
            "node(min).local_share == 0.9 and node(max).numa_miss == 40",
            "node(0).local_share_change == -10%",
            "node(min).free_before_reclaim < 0 and node(4).free == 500KiB and free_share == 0.255",
            "node(4).unexplained == 7KiB and node(max).unexplained == 7KiB",
            "pswpout == 8 and pswpout/s == 4 and imbalance == 0.1",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        for text in [
            "node(1).free > 0",
            "proc(redis).resident > 1",
            "node(0).unreclaimable_slab > 0",
            "unusable_2m > 0",
            "unexplained > 0 or node(0).unexplained > 0",
        ] {
            assert_eq!(holds(text), None, "{text}: not measured");
        }
    }

    #[test]
    fn unknown_names_come_with_what_there_is() {
        for (text, said) in [
            ("numa_mis > 1", "did you mean numa_miss?"),
            ("node(x).free > 1", "node(max)"),
            ("node(0).imbalance > 1", "unknown name"),
            ("proc(a).numa_hit > 1", "there are resident"),
            ("cpu(1).free > 1", "node(…) and proc(…)"),
            ("free_share/s > 1", "no rate"),
        ] {
            let mistake = Expr::parse(text, &Names).unwrap_err();
            assert!(mistake.what.contains(said), "{mistake}");
        }
    }
}
