//! The grammar of `--nodes`: a guest's NUMA nodes, with their CPUs and memory.
//!
//! `2x2` is two nodes of two CPUs; `2x2:1G` gives the memory of each. A list names every node:
//! `2:512M,1:0,0:256M` is one of two CPUs, a memoryless one with a CPU, and a CPU-less one. The
//! memory of `1:+256M` is plugged in above 4 GiB, and the kernel takes it for movable pages only;
//! that of `1:=256M` it takes for all pages.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Result, bail, ensure};

/// Above this the guest's memory is split around the PCI hole, and a node's is no longer
/// contiguous.
const MAX_MB: u64 = 3328;
/// Room for modules behind the memory that is there at boot, as QEMU has it.
const MAX_PLUGGED: &str = "8G";
/// Memory of a node by default: the tests exhaust nodes, so little, and enough for the kernel
/// itself.
const DEFAULT_MB: u64 = 512;
/// Distance between any two nodes; 21 is what two-socket machines report.
const REMOTE_DISTANCE: u32 = 21;

/// One NUMA node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Node {
    /// CPUs; 0 for a memory-only node.
    pub cpus: u32,
    /// Memory in MiB; 0 for a memoryless node.
    pub mb: u64,
    /// How the kernel uses the memory, if that is a module plugged in above 4 GiB.
    pub plugged: Option<Plugged>,
}

/// Use of memory that is plugged in, the same for all of a guest's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plugged {
    /// For pages that can be moved away again.
    Movable,
    /// For all pages that need no low memory.
    Any,
}

impl Plugged {
    /// The mark of it in a layout.
    fn mark(self) -> char {
        match self {
            Plugged::Movable => '+',
            Plugged::Any => '=',
        }
    }
}

/// The nodes of a guest, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// At least one, with at least one CPU and some memory among them.
    pub nodes: Vec<Node>,
}

impl Layout {
    /// Returns two nodes of two CPUs.
    #[must_use]
    pub fn two_nodes() -> Self {
        Self {
            nodes: vec![
                Node {
                    cpus: 2,
                    mb: DEFAULT_MB,
                    plugged: None,
                };
                2
            ],
        }
    }

    /// Returns these nodes with `mb` MiB on each that has memory.
    ///
    /// # Errors
    /// Together they would have too much.
    pub fn with_memory(mut self, mb: u64) -> Result<Self> {
        self.nodes
            .iter_mut()
            .filter(|n| n.mb > 0)
            .for_each(|n| n.mb = mb);
        self.checked()
    }

    /// Returns the number of CPUs of all nodes.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.nodes.iter().map(|n| n.cpus).sum()
    }

    /// Returns QEMU's arguments that make these nodes. `smp` replaces the CPU topology
    /// (`sockets=1,cores=2,threads=2`).
    #[must_use]
    pub fn arguments(&self, smp: Option<&str>) -> Vec<String> {
        let cpus = self.cpus();
        let same = self.nodes.iter().all(|n| n.cpus == self.nodes[0].cpus);
        // A socket per node if possible, as on real machines; else one per CPU, so that no socket
        // spans nodes.
        let topology = match smp {
            Some(given) => given.to_owned(),
            None if same => format!("sockets={},cores={}", self.nodes.len(), self.nodes[0].cpus),
            None => format!("sockets={cpus},cores=1"),
        };
        let at_boot = self.nodes.iter().filter(|n| n.plugged.is_none());
        let mut memory = format!("{}M", at_boot.map(|n| n.mb).sum::<u64>());
        let plugged = self.nodes.iter().filter(|n| n.plugged.is_some()).count();
        if plugged > 0 {
            memory += &format!(",slots={plugged},maxmem={MAX_PLUGGED}");
        }
        let mut arguments = vec![
            "-smp".into(),
            format!("{cpus},{topology}"),
            "-m".into(),
            memory,
        ];
        let mut first = 0;
        for (id, node) in self.nodes.iter().enumerate() {
            let mut numa = format!("node,nodeid={id}");
            if node.cpus > 0 {
                numa += &format!(",cpus={first}-{}", first + node.cpus - 1);
                first += node.cpus;
            }
            if node.cpus == 0 && self.has_slow_memory() {
                numa += &format!(",initiator={}", self.initiators().next().unwrap_or(0));
            }
            if node.mb > 0 {
                arguments.extend([
                    "-object".into(),
                    format!("memory-backend-ram,id=m{id},size={}M", node.mb),
                ]);
                if node.plugged.is_some() {
                    let module = format!("pc-dimm,id=d{id},memdev=m{id},node={id}");
                    arguments.extend(["-device".into(), module]);
                } else {
                    numa += &format!(",memdev=m{id}");
                }
            }
            arguments.extend(["-numa".into(), numa]);
        }
        if self.has_slow_memory() {
            arguments.extend(self.performance());
        }
        for (from, to) in pairs(self.nodes.len()) {
            arguments.extend([
                "-numa".into(),
                format!("dist,src={from},dst={to},val={REMOTE_DISTANCE}"),
            ]);
        }
        arguments
    }

    /// Returns the words for the kernel's command line that make these nodes what they are.
    #[must_use]
    pub fn kernel_words(&self) -> &'static str {
        match self.nodes.iter().find_map(|n| n.plugged) {
            Some(Plugged::Movable) => "memhp_default_state=online_movable",
            Some(Plugged::Any) => "memhp_default_state=online_kernel",
            None => "",
        }
    }

    /// Returns whether there is a node of memory only. The firmware then states how slow it is
    /// (ACPI HMAT), as it does of CXL memory: kernels from 6.11 on demote to it.
    fn has_slow_memory(&self) -> bool {
        self.nodes.iter().any(|n| n.cpus == 0)
    }

    /// Returns the nodes with CPUs.
    fn initiators(&self) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, n)| n.cpus > 0).map(|(id, _)| id)
    }

    /// Returns latency and bandwidth from every node with CPUs to every node with memory.
    fn performance(&self) -> Vec<String> {
        let mut arguments = vec!["-machine".into(), "hmat=on".into()];
        for from in self.initiators() {
            for (to, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.mb > 0) {
                let (latency, bandwidth) = match (node.cpus, from == to) {
                    (0, _) => (400, 10),
                    (_, true) => (100, 100),
                    (_, false) => (150, 60),
                };
                for what in [
                    format!("access-latency,latency={latency}"),
                    format!("access-bandwidth,bandwidth={bandwidth}G"),
                ] {
                    let place = format!("initiator={from},target={to},hierarchy=memory");
                    arguments.extend(["-numa".into(), format!("hmat-lb,{place},data-type={what}")]);
                }
            }
        }
        arguments
    }

    fn checked(self) -> Result<Self> {
        let memory: u64 = self.nodes.iter().map(|n| n.mb).sum();
        ensure!(self.cpus() > 0, "no node has a CPU; try 2x2");
        ensure!(memory > 0, "no node has memory; try 2x2");
        ensure!(
            self.nodes.iter().any(|n| n.mb > 0 && n.plugged.is_none()),
            "the kernel needs memory of its own; give one node memory without + and ="
        );
        let mut plugged = self.nodes.iter().filter_map(|n| n.plugged);
        let first = plugged.next();
        ensure!(
            plugged.all(|other| Some(other) == first),
            "the kernel uses all memory that is plugged in alike; take either + or ="
        );
        ensure!(
            memory <= MAX_MB,
            "{memory} MiB in all, and the lab's guests take up to {MAX_MB}; give the nodes less"
        );
        Ok(self)
    }
}

/// Returns every ordered pair of different nodes.
fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes)
        .flat_map(move |from| (0..nodes).map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
}

impl FromStr for Layout {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let hint = || format!("`{text}` is no node layout; try 2x2, 4x1:256M or 2:512M,1:0,0:256M");
        let nodes = if let Some((count, each)) = text.split_once('x') {
            let (cpus, memory) = each.split_once(':').unwrap_or((each, ""));
            let count: usize = count.parse().with_context(hint)?;
            let cpus = cpus.parse().with_context(hint)?;
            ensure!(
                (1..=16).contains(&count),
                "{count} nodes; the lab's guests have 1 to 16"
            );
            let share = MAX_MB / count as u64;
            let mb = if memory.is_empty() {
                DEFAULT_MB.min(share)
            } else {
                megabytes(memory).with_context(hint)?
            };
            vec![
                Node {
                    cpus,
                    mb,
                    plugged: None
                };
                count
            ]
        } else {
            let node = |part: &str| {
                let (cpus, memory) = part.split_once(':').with_context(hint)?;
                let plugged = match memory.as_bytes().first() {
                    Some(b'+') => Some(Plugged::Movable),
                    Some(b'=') => Some(Plugged::Any),
                    _ => None,
                };
                let memory = if plugged.is_some() {
                    &memory[1..]
                } else {
                    memory
                };
                Ok(Node {
                    cpus: cpus.parse().with_context(hint)?,
                    mb: megabytes(memory).with_context(hint)?,
                    plugged,
                })
            };
            text.split(',').map(node).collect::<Result<_>>()?
        };
        Self { nodes }.checked()
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.nodes[0];
        if self.nodes.iter().all(|n| *n == first) && first.mb == DEFAULT_MB {
            return write!(f, "{}x{}", self.nodes.len(), first.cpus);
        }
        let parts: Vec<_> = self
            .nodes
            .iter()
            .map(|n| {
                let mark = n.plugged.map(Plugged::mark).map(String::from);
                format!("{}:{}{}M", n.cpus, mark.unwrap_or_default(), n.mb)
            })
            .collect();
        f.write_str(&parts.join(","))
    }
}

/// Parses several layouts in one option: those with an `x` stand alone, a sequence of `CPUS:MEM` is
/// one layout.
///
/// # Errors
/// An entry is no layout.
pub fn parse_list(text: &str) -> Result<Vec<Layout>> {
    let mut texts: Vec<String> = Vec::new();
    let mut open = false;
    for part in text.split(',') {
        let alone = part.contains('x');
        match texts.last_mut() {
            Some(last) if open && !alone => *last += &format!(",{part}"),
            _ => texts.push(part.to_owned()),
        }
        open = !alone;
    }
    texts.iter().map(|text| text.parse()).collect()
}

/// Parses `512M`, `1G`, `0`; a bare number is MiB.
///
/// # Errors
/// The text is none of these.
pub fn megabytes(text: &str) -> Result<u64> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1024),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1),
        _ => (text, 1),
    };
    match number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
    {
        Some(mb) => Ok(mb),
        None => bail!("`{text}` is no memory size; try 512M or 1G"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Layout {
        text.parse().unwrap()
    }

    fn node(cpus: u32, mb: u64) -> Node {
        Node {
            cpus,
            mb,
            plugged: None,
        }
    }

    #[test]
    fn memory_behind_a_mark_is_a_module() {
        let plugged = layout("1:512M,1:+256M");
        let arguments = plugged.arguments(None).join(" ");
        for part in [
            "-m 512M,slots=1,maxmem=8G ",
            "-device pc-dimm,id=d1,memdev=m1,node=1",
            "node,nodeid=1,cpus=1-1 ",
        ] {
            assert!(arguments.contains(part), "{part} in {arguments}");
        }
        assert_eq!(plugged.kernel_words(), "memhp_default_state=online_movable");
        let high = layout("1:512M,1:=256M");
        assert_eq!(high.kernel_words(), "memhp_default_state=online_kernel");
        assert_eq!(layout("2x2").kernel_words(), "");
        assert!("1:512M,1:=256M,1:+256M".parse::<Layout>().is_err());
        assert!("1:+512M".parse::<Layout>().is_err());
    }

    #[test]
    fn n_by_c_makes_equal_nodes() {
        assert_eq!(layout("2x2"), Layout::two_nodes());
        assert_eq!(layout("4x1:256M").nodes, [node(1, 256); 4]);
        assert_eq!(
            layout("8x1").nodes[0].mb,
            416,
            "eight nodes share what a guest can have"
        );
    }

    #[test]
    fn a_list_names_memoryless_and_cpuless_nodes() {
        let nodes = [node(2, 512), node(1, 0), node(0, 256)];
        assert_eq!(layout("2:512M,1:0,0:256M").nodes, nodes);
    }

    #[test]
    fn what_cannot_boot_is_refused() {
        for text in [
            "", "2", "x2", "2x", "0x2", "2x0", "0:512M", "2:0", "2x2:2G", "2:1T", "1:5G", "2:512M,",
        ] {
            assert!(text.parse::<Layout>().is_err(), "{text}");
        }
    }

    #[test]
    fn qemu_gets_cpus_in_order_memory_where_there_is_some_and_every_distance() {
        let arguments = layout("2:512M,1:0,0:256M").arguments(None).join(" ");
        assert!(
            arguments.starts_with("-smp 3,sockets=3,cores=1 -m 768M "),
            "{arguments}"
        );
        for part in [
            "nodeid=0,cpus=0-1,memdev=m0",
            "nodeid=1,cpus=2-2 ",
            "nodeid=2,initiator=0,memdev=m2",
            "initiator=1,target=2,hierarchy=memory,data-type=access-latency,latency=400",
            "src=2,dst=0,val=21",
        ] {
            assert!(arguments.contains(part), "{part} in {arguments}");
        }
        assert_eq!(arguments.matches("dist,").count(), 6);
        assert!(!layout("2x2").arguments(None).join(" ").contains("hmat"));
        assert!(
            layout("2x2")
                .arguments(None)
                .join(" ")
                .starts_with("-smp 4,sockets=2,cores=2 -m 1024M ")
        );
    }

    #[test]
    fn a_list_of_layouts_keeps_node_lists_whole() {
        let found: Vec<_> = parse_list("2x2,2:512M,0:256M,4x1")
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["2x2", "2:512M,0:256M", "4x1"]);
    }

    #[test]
    fn a_layout_prints_as_it_is_typed() {
        for text in [
            "2x2",
            "4x1",
            "2:512M,1:0M,0:256M",
            "1:512M,1:+256M",
            "1:512M,1:=256M",
        ] {
            assert_eq!(layout(text).to_string(), text);
        }
    }
}
