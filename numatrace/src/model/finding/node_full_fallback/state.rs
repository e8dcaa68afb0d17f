//! The state of a node that could not give pages: full, in pieces, closed to those who asked, or
//! without memory for the kernel.

use crate::model::failure::sentence;
use crate::model::finding::words;
use crate::model::{AllocPages, Host, Shortage, Snapshot, number};

/// The state that most of the looks at a node saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Less memory was free than the node keeps back.
    Full,
    /// Memory was free in pieces that are too small for what was wanted.
    Fragmented,
    /// Its kernel memory was used up; more of the node is free, for programs and files only.
    NoKernelMemory,
    /// The cpusets of those that asked leave the node out: the kernel counts their wish all the
    /// same (mm/page_alloc.c, the slow path).
    Closed,
    /// Nobody looked, or the looks show none of these.
    Unknown,
}

/// Looks at a node, of the kind of request that most pages were wanted by.
pub struct Looked<'a> {
    pub state: State,
    looks: Vec<&'a Shortage>,
    /// Of the pages that other nodes gave, most came as huge pages.
    pub huge: bool,
}

/// Free memory of a node from which on the rest of it is worth a sentence, in KiB, when its kernel
/// memory is used up: 16 MiB.
const REST_KB: u64 = 16 << 10;

impl<'a> Looked<'a> {
    /// Looks through those at the node at a position.
    pub fn at(snapshot: &'a Snapshot, pages: Option<&AllocPages>, position: usize) -> Self {
        let node = snapshot.host.nodes.get(position).map(|node| node.node);
        let huge_kb = huge_kb(&snapshot.host);
        let huge = pages.is_some_and(|pages| {
            let in_huge = pages.huge_foreign.at(position).saturating_mul(huge_kb);
            let all = pages.foreign.at(position);
            in_huge.saturating_mul(2) >= all.saturating_mul(page_kb(&snapshot.host)) && in_huge > 0
        });
        let looks = snapshot.shortages.iter().flatten();
        let looks: Vec<&Shortage> = looks
            .filter(|look| Some(look.node) == node)
            .filter(|look| !huge || look.block_kb == huge_kb)
            .collect();
        Self {
            state: state(&looks),
            looks,
            huge,
        }
    }

    /// Names the state as a clause about a node: "node 0 was full".
    pub fn clause(&self, host: &Host, position: usize) -> Option<String> {
        let node = words::nodes(host, [position]);
        match self.state {
            State::Full => Some(format!("{node} was full")),
            State::Fragmented => Some(format!(
                "{node} had {} free but no {} block",
                sentence::mib(self.most(|look| look.most_free_kb)),
                number::page_size(self.most(|look| look.block_kb))
            )),
            State::NoKernelMemory => Some(format!(
                "{node} had no memory left for the kernel's own use"
            )),
            State::Closed => Some(format!(
                "{node} was left out by the cpusets of those that asked for it"
            )),
            State::Unknown => None,
        }
    }

    /// Says what the looks saw.
    pub fn evidence(&self) -> Vec<String> {
        let looks: u64 = self.sum(|look| look.looks);
        if looks == 0 {
            return Vec::new();
        }
        let parts = [
            (
                self.sum(|look| look.full),
                "with hardly more than it keeps back",
            ),
            (
                self.sum(|look| look.fragmented),
                "with more, but no block that is large enough",
            ),
            (
                self.sum(|look| look.closed),
                "closed to the asking task by its cpuset",
            ),
        ];
        let seen: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", number::grouped(*count)))
            .collect();
        let seen = match seen.join(", ") {
            none if none.is_empty() => String::new(),
            seen => format!(": {seen}"),
        };
        let least = self.looks.iter().map(|look| look.least_free_kb).min();
        let least = sentence::mib(least.unwrap_or(0));
        let most = sentence::mib(self.most(|look| look.most_free_kb));
        let free = if least == most {
            most
        } else {
            format!("{least} to {most}")
        };
        let mut evidence = vec![format!(
            "{} at its zone at such moments{seen}; {free} were free there",
            number::plural(looks, "look"),
        )];
        if self.state == State::NoKernelMemory {
            let node = self.looks.iter().filter_map(|look| look.node_free_kb).max();
            evidence.extend(node.map(|kb| {
                format!(
                    "{} were free on the whole node, in zones that the kernel's own requests \
                     cannot use",
                    sentence::mib(kb)
                )
            }));
        }
        evidence
    }

    fn sum(&self, of: impl Fn(&Shortage) -> u64) -> u64 {
        self.looks.iter().map(|look| of(look)).sum()
    }

    fn most(&self, of: impl Fn(&Shortage) -> u64) -> u64 {
        self.looks.iter().map(|look| of(look)).max().unwrap_or(0)
    }
}

/// Returns the state that at least half of the looks saw.
fn state(looks: &[&Shortage]) -> State {
    let sum = |of: fn(&Shortage) -> u64| looks.iter().map(|look| of(look)).sum::<u64>();
    let all = sum(|look| look.looks);
    let half = |count: u64| count > 0 && count.saturating_mul(2) >= all;
    let of_kernel = looks.iter().all(|look| !look.movable);
    let rest = |look: &&Shortage| {
        let free = look.node_free_kb?;
        Some(free.saturating_sub(look.most_free_kb) >= REST_KB)
    };
    if half(sum(|look| look.closed)) {
        State::Closed
    } else if half(sum(|look| look.fragmented)) {
        State::Fragmented
    } else if half(sum(|look| look.full)) {
        let has_rest = looks.iter().filter_map(rest).any(|rest| rest);
        if of_kernel && has_rest {
            State::NoKernelMemory
        } else {
            State::Full
        }
    } else {
        State::Unknown
    }
}

fn page_kb(host: &Host) -> u64 {
    host.page_size / 1024
}

/// Size of a transparent huge page, KiB: a page of page table entries of eight bytes.
pub fn huge_kb(host: &Host) -> u64 {
    (host.page_size / 8).saturating_mul(page_kb(host))
}
