//! Machines whose nodes are not alike: the page and the advice of each hold no sentence that is
//! wrong there.

use numatrace::ids::{CpuId, NodeId};
use numatrace::model::topology::MemoryKind;
use numatrace::model::{
    Alloc, AllocPages, FirstTouch, Host, HostNode, Matrix, Name, PerNode, Shortage, Snapshot,
    System, distance, finding,
};
use numatrace::output::text::{TextOptions, render};

use crate::fixture::{audited, looks, program, quiet};

/// Number, CPUs, kind of memory.
type Shape = (u16, u32, Option<MemoryKind>);

const DRAM: Option<MemoryKind> = Some(MemoryKind::Dram);
const SLOW: Option<MemoryKind> = Some(MemoryKind::Slow);
const GPU: Option<MemoryKind> = Some(MemoryKind::Gpu);

/// Returns a machine. Distances are 12 in a socket of two nodes with CPUs, 21 to other nodes with
/// CPUs, 24 to nodes without.
fn host(shapes: &[Shape], sockets: bool) -> Host {
    let mut next = 0;
    let distance = |from: usize, to: usize| match (from == to, shapes[to].1, shapes[from].1) {
        (true, ..) => 10,
        (_, 0, _) | (_, _, 0) => 24,
        _ if sockets && from / 2 == to / 2 => 12,
        _ => 21,
    };
    let nodes = shapes.iter().enumerate().map(|(at, (node, cpus, memory))| {
        let first = next;
        next += cpus;
        HostNode {
            node: NodeId(*node),
            cpus: (first..next).map(CpuId).collect(),
            mem_kb: Some(memory.map_or(0, |_| 1 << 20)),
            memory: *memory,
            movable_only: Some(matches!(memory, Some(MemoryKind::Slow | MemoryKind::Gpu))),
            distance: Some((0..shapes.len()).map(|to| distance(at, to)).collect()),
        }
    });
    let nodes = nodes.collect();
    Host {
        nodes,
        view: Vec::new(),
        ..quiet(1).host
    }
}

/// Returns a session on a machine: a program on the first node with CPUs wanted memory of its
/// nearest node and got a quarter of it from every other node.
fn session(shapes: &[Shape], sockets: bool) -> Snapshot {
    let mut snapshot = quiet(u16::try_from(shapes.len()).unwrap());
    snapshot.host = host(shapes, sockets);
    let count = shapes.len();
    let home = shapes.iter().position(|(_, cpus, _)| *cpus > 0).unwrap();
    let wanted = snapshot.host.nearest_memory()[home].unwrap();
    let mut alloc = Alloc::zeros(count);
    let (mut hit, mut miss, mut local, mut other) = (
        PerNode::zeros(count),
        PerNode::zeros(count),
        PerNode::zeros(count),
        PerNode::zeros(count),
    );
    let mut pages = Matrix::zeros(count);
    hit.add_at(wanted, 160_000);
    let is_home = wanted == home;
    if is_home { &mut local } else { &mut other }.add_at(wanted, 160_000);
    pages.add_at(home, wanted, 160_000);
    let with_memory = |at: &usize| *at != wanted && shapes[*at].2.is_some();
    let others: Vec<usize> = (0..count).filter(with_memory).collect();
    for at in &others {
        miss.add_at(*at, 40_000);
        if *at == home { &mut local } else { &mut other }.add_at(*at, 40_000);
        pages.add_at(home, *at, 40_000);
    }
    let mut foreign = PerNode::zeros(count);
    foreign.add_at(wanted, 40_000 * others.len() as u64);
    let mut all = hit.clone();
    all.add(&miss);
    let mut causes = numatrace::model::RemoteByCause {
        fallback: miss.total(),
        ..numatrace::model::RemoteByCause::default()
    };
    if !is_home {
        causes.memoryless = hit.total();
    }
    alloc.numa_hit = Some(hit);
    alloc.numa_miss = Some(miss);
    let mut in_pages = AllocPages::zeros(count);
    in_pages.wanted.add_at(wanted, all.total());
    in_pages.foreign = foreign.clone();
    in_pages.remote_by_cause = causes;
    alloc.in_pages = Some(in_pages);
    alloc.numa_foreign = Some(foreign);
    alloc.local_node = Some(local);
    alloc.other_node = Some(other);
    alloc.pages = Some(all.clone());
    alloc.remote_by_cause = Some(causes);
    let mut classes = numatrace::model::ByClass::default();
    classes.user_4k.add(all.total(), all.total());
    alloc.by_class = Some(classes);
    let touch = FirstTouch {
        pages: Some(pages.clone()),
        ..FirstTouch::default()
    };
    let mut app = program(4242, Name::from("app"), alloc);
    app.first_touch = Some(touch.clone());
    let mut run = PerNode::zeros(count);
    run.add_at(home, 5_000_000_000);
    app.run_ns = Some(run);
    snapshot.processes = vec![app];
    snapshot.shortages = Some(vec![Shortage {
        node: snapshot.host.nodes[wanted].node,
        ..looks()
    }]);
    snapshot.system = Some(System {
        allocations: Some(pages),
        first_touch: Some(touch),
        ..System::default()
    });
    distance::fill(&mut snapshot);
    let mut snapshot = audited(snapshot, 0);
    snapshot.findings = finding::diagnose(&snapshot);
    snapshot
}

fn layouts() -> Vec<(&'static str, Snapshot)> {
    let alike = |nodes: u16, cpus| -> Vec<Shape> { (0..nodes).map(|n| (n, cpus, DRAM)).collect() };
    let mut mostly_empty = alike(2, 2);
    mostly_empty.extend((2..30).map(|node| (node, 0, None)));
    let cpus_without_memory = [(0, 4, None), (1, 0, DRAM), (2, 0, DRAM), (3, 0, DRAM)];
    vec![
        ("layout_2x2", session(&alike(2, 2), false)),
        ("layout_4x1", session(&alike(4, 1), false)),
        (
            "layout_memoryless",
            session(
                &[(0, 2, None), (1, 2, DRAM), (2, 2, DRAM), (3, 2, None)],
                false,
            ),
        ),
        (
            "layout_no_node_has_both",
            session(&cpus_without_memory, false),
        ),
        (
            "layout_cpuless",
            session(&[(0, 2, DRAM), (1, 2, DRAM), (2, 0, DRAM)], false),
        ),
        (
            "layout_cxl",
            session(
                &[(0, 2, DRAM), (1, 2, DRAM), (2, 0, SLOW), (3, 0, SLOW)],
                false,
            ),
        ),
        (
            "layout_gpu",
            session(&[(0, 4, DRAM), (1, 0, GPU), (2, 0, None)], false),
        ),
        ("layout_8_nodes", session(&alike(8, 2), true)),
        (
            "layout_sparse",
            session(&[(0, 2, DRAM), (8, 2, DRAM), (252, 0, DRAM)], false),
        ),
        ("layout_mostly_empty", session(&mostly_empty, false)),
    ]
}

#[test]
fn pages_of_all_layouts() {
    let terminal = TextOptions {
        width: Some(80),
        rows: Some(10),
        ..TextOptions::default()
    };
    for (name, snapshot) in layouts() {
        let page = render(&snapshot, &terminal);
        // The audit and what follows do not depend on the layout.
        let page = page.split("\nAudit").next().unwrap();
        insta::assert_snapshot!(name, page);
    }
}

#[test]
fn no_fix_binds_to_cpus_or_memory_that_a_node_lacks() {
    let mut lists = 0;
    for (name, snapshot) in layouts() {
        let nodes = &snapshot.host.nodes;
        let text = serde_json::to_string(&snapshot.findings).unwrap();
        assert!(!snapshot.findings.is_empty(), "{name}");
        let numbers = |option: &str| -> Vec<u16> {
            let after = text.split(option).skip(1);
            let lists = after.filter_map(|rest| rest.split([' ', '"', ';', '.']).next());
            let ranges = lists.flat_map(|list| list.split(','));
            ranges
                .flat_map(|range| {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    let bounds = first.parse::<u16>().ok().zip(last.parse().ok());
                    bounds.map(|(first, last)| first..=last)
                })
                .flatten()
                .collect()
        };
        let node = |number: u16| {
            let found = nodes.iter().find(|node| node.node.0 == number);
            found.unwrap_or_else(|| panic!("{name}: no node {number}: {text}"))
        };
        for number in numbers("--cpunodebind=") {
            lists += 1;
            assert!(!node(number).cpus.is_empty(), "{name}: {text}");
        }
        for option in ["--membind=", "--interleave="] {
            for number in numbers(option) {
                lists += 1;
                assert_eq!(node(number).memory, DRAM, "{name}: {text}");
            }
        }
    }
    assert!(lists > 20, "only {lists}");
}
