//! Looks made by hand: a report of the fixtures as one interval, with memory and incidents beside it.

use std::{sync::Arc, time::Duration};

use numatrace::{
    ids::{NodeId, Pid, Tid},
    model::{
        Addr, Finding, HintFaults, Incident, Mapping, MappingFirstTouch, MappingKind, Matrix,
        MoveReason, Severity, Snapshot, System, TidPages,
        frame::{ScreenAbsences, ScreenFrame},
        stat::pressure::NodePressure,
    },
    output::tui::{Action, App, Options, Recording, View, draw},
};
use ratatui::{Terminal, backend::TestBackend};

use crate::fixture;

/// A look at a report, with a node nearly full and a thread away where there are two nodes.
pub fn look(mut snapshot: Snapshot) -> Arc<ScreenFrame> {
    snapshot.session.command = "top".into();
    snapshot.session.duration_s = 1.0;
    let nodes = snapshot.host.nodes.len();
    let memory = snapshot
        .host
        .nodes
        .iter()
        .enumerate()
        .map(|(position, node)| NodePressure {
            node: node.node,
            total_kib: node.mem_kb,
            free_kib: Some(if position == 0 { 9_000 } else { 300_000 }),
            reclaimable_kib: Some(50_000),
            swappable_kib: Some(100_000),
            unusable: (0..11_u32).map(|order| f64::from(order) / 10.5).collect(),
            ..NodePressure::default()
        })
        .collect();
    let (open, ended) = if nodes > 1 && !snapshot.processes.is_empty() {
        (
            vec![incident(&snapshot, false)],
            vec![incident(&snapshot, true)],
        )
    } else {
        (Vec::new(), Vec::new())
    };
    Arc::new(ScreenFrame {
        snapshot,
        memory,
        absences: ScreenAbsences {
            open,
            ended,
            dropped: 0,
        },
    })
}

fn incident(snapshot: &Snapshot, over: bool) -> Incident {
    let process = &snapshot.processes[0];
    let node = |position: usize| snapshot.host.nodes[position].node;
    Incident {
        run_ms: Some(406.25),
        remote_hint_faults: (!over).then_some(1_234),
        pid: process.pid,
        tid: Tid(process.pid.0 + u32::from(over)),
        comm: process.comm.clone(),
        from: node(0),
        to: node(1),
        reason: MoveReason::LoadBalance,
        at_s: 12.25,
        away_ms: 812.5,
        pages_left: 51_200,
        pages_followed: if over { 2_048 } else { 0 },
        back: over.then_some(MoveReason::NumaMove),
        ended: false,
    }
}

/// A report in which everything that a screen can show is measured, on so many nodes.
pub fn full(nodes: u16) -> Snapshot {
    let mut snapshot = match nodes {
        1 => fixture::one_node(),
        2 => fixture::launched(),
        64 => fixture::sixty_four_nodes(),
        _ => {
            let mut crowd = fixture::crowd();
            crowd.processes.truncate(40);
            crowd
        }
    };
    let count = usize::from(nodes);
    let mut matrix = Matrix::zeros(count);
    for from in 0..count {
        matrix.add_at(from, from, 10_000);
        matrix.add_at(from, (from + 1) % count, 100 * (from as u64 + 1));
    }
    let system = snapshot.system.get_or_insert_with(System::default);
    system.allocations = Some(matrix.clone());
    system.hint_faults = Some(HintFaults {
        matrix: Some(matrix),
        migrated: Some(7),
    });
    let finding = |severity| Finding {
        id: "first-touch-elsewhere".into(),
        severity,
        pid: Some(snapshot.processes[0].pid),
        title: "app's memory was touched first on node 0 and is used on node 1".into(),
        evidence: vec!["[heap]: 64.0 MiB touched first by thread 4242 on node 0".into()],
        fix: "have the thread that uses the memory touch it first".into(),
    };
    snapshot.findings = vec![finding(Severity::Warning)];
    let mut touched = Matrix::zeros(count);
    touched.add_at(0, count - 1, 16_384);
    snapshot.processes[0].mappings = vec![Mapping {
        page_migrations: None,
        start: Addr(0x7f00_0000_0000),
        end: Addr(0x7f00_0400_0000),
        kind: MappingKind::Anon,
        name: "[anon:arena]".into(),
        first_touch: Some(MappingFirstTouch {
            remote_by_cause: None,
            pages: Some(touched.clone()),
            thp: None,
            by_tid: vec![TidPages {
                tid: Tid(4242),
                pages: 16_384,
                remote: None,
                node: Some(NodeId(0)),
                last_ns: None,
            }],
            stacks: Vec::new(),
            by_stack: Vec::new(),
        }),
        hint_faults: Some(HintFaults {
            matrix: Some(touched),
            migrated: None,
        }),
        users: Vec::new(),
        surprise_pages: None,
        shared_elsewhere_pages: None,
        residency: None,
    }];
    snapshot
}

/// An app that has taken in a look three times, without colours.
pub fn app(look: &Arc<ScreenFrame>) -> App {
    let mut app = App::new(Options {
        color: false,
        interval: Duration::from_secs(1),
        scope: look.snapshot.session.scope.clone(),
    });
    for _ in 0..3 {
        app.take(Arc::clone(look));
    }
    app
}

/// The states a screen can be in, by name.
pub fn states(look: &Arc<ScreenFrame>) -> Vec<(&'static str, App)> {
    let with = |actions: &[Action]| {
        let mut app = app(look);
        for action in actions {
            app.apply(*action);
        }
        app
    };
    vec![
        ("processes", with(&[])),
        ("nodes", with(&[Action::Show(View::Nodes)])),
        ("matrix", with(&[Action::Show(View::Matrix)])),
        ("moves", with(&[Action::Show(View::Moves)])),
        ("findings", with(&[Action::Show(View::Findings)])),
        ("detail", with(&[Action::Enter])),
        ("help", with(&[Action::Help])),
        (
            "filter",
            with(&[Action::Filter, Action::Type('a'), Action::Type('p')]),
        ),
        ("paused", with(&[Action::Pause])),
        ("recording", recording(with(&[]))),
    ]
}

/// The same while it is recorded.
fn recording(mut app: App) -> App {
    app.recording = Recording::On {
        path: "numatrace-20261126T140000Z.nmt".into(),
        seconds: 12,
        kib: 340,
    };
    app
}

/// A screen of that size as text.
pub fn text(app: &App, width: u16, height: u16) -> String {
    let terminal = drawn(app, width, height);
    terminal.backend().to_string()
}

/// A screen of that size.
pub fn drawn(app: &App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(app, frame)).unwrap();
    terminal
}

/// The process of that number in a look.
pub fn pid(look: &ScreenFrame, index: usize) -> Pid {
    look.snapshot.processes[index].pid
}
