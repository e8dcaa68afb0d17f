//! Frames made by hand: a report of the fixtures as one interval, with memory and absences.

use std::{sync::Arc, time::Duration};

use numatrace::{
    ids::{NodeId, Pid, Tid},
    model::{
        Addr, Finding, Fix, FixKind, HintFaults, Incident, Mapping, MappingFirstTouch, MappingKind,
        Matrix, MoveReason, PerNode, Severity, Snapshot, System, TidPages,
        frame::{ScreenAbsences, ScreenFrame},
        stat::pressure::NodePressure,
    },
    output::tui::{Action, App, Options, Recording, View, draw},
};
use ratatui::{Terminal, backend::TestBackend};

use crate::fixture;

/// Returns a frame of a report, with a node that is nearly full and, on two nodes or more, a thread
/// that is away.
pub fn frame(mut snapshot: Snapshot) -> Arc<ScreenFrame> {
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
        pages_left_least: None,
        pages_followed: if over { 2_048 } else { 0 },
        back: over.then_some(MoveReason::NumaMove),
        ended: false,
    }
}

/// Returns a report with this number of nodes in which everything is measured that a screen can
/// show.
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
    let finding = |severity| {
        let text = "have the thread that uses the memory touch it first";
        let fix = |kind: FixKind, text: &str, commands: &[&str]| Fix {
            kind,
            target: "app (4242)".to_owned(),
            text: text.to_owned(),
            commands: commands.iter().map(|&command| command.to_owned()).collect(),
            expect: "its memory is on node 1".to_owned(),
        };
        let start =
            "numactl --cpunodebind=1 --membind=1 /usr/bin/app --threads=2 --size=64M '--a b'";
        Finding::new(
            "first-touch-elsewhere",
            severity,
            Some(snapshot.processes[0].pid),
            "app's memory was touched first on node 0 and is used on node 1",
            vec!["[heap]: 64.0 MiB touched first by thread 4242 on node 0".into()],
            [
                fix(FixKind::Program, text, &[]),
                fix(FixKind::RunCommand, "initialise there", &[start]),
            ],
        )
    };
    snapshot.findings = vec![finding(Severity::Warning)];
    let app = &mut snapshot.processes[0];
    let ran = app.run_ns.as_ref().map_or(0, PerNode::total);
    if ran > 0 {
        let mut memory = vec![160; count];
        memory[0] = 16_384;
        let run_ns = app.run_ns.clone().unwrap_or_default().0;
        fixture::resident(app, &run_ns, &memory, &memory);
    }
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
            by_others: Vec::new(),
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
        file_system: None,
    }];
    snapshot
}

/// Returns an app without colours that has a frame three times.
pub fn app(frame: &Arc<ScreenFrame>) -> App {
    let mut app = App::new(Options {
        color: false,
        interval: Duration::from_secs(1),
        scope: frame.snapshot.session.scope.clone(),
    });
    for _ in 0..3 {
        app.add(Arc::clone(frame));
    }
    app
}

/// Returns the states that a screen can be in, by name.
pub fn states(frame: &Arc<ScreenFrame>) -> Vec<(&'static str, App)> {
    let with = |actions: &[Action]| {
        let mut app = app(frame);
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

/// Returns the app during a recording.
fn recording(mut app: App) -> App {
    app.recording = Recording::On {
        path: "numatrace-20261126T140000Z.nmt".into(),
        seconds: 12,
        kib: 340,
    };
    app
}

/// Returns a screen of that size as text.
pub fn text(app: &App, width: u16, height: u16) -> String {
    let terminal = drawn(app, width, height);
    terminal.backend().to_string()
}

/// Draws a screen of that size.
pub fn drawn(app: &App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|area| draw(app, area)).unwrap();
    terminal
}

/// Returns the PID of a process by its place in a frame's report.
pub fn pid(frame: &ScreenFrame, index: usize) -> Pid {
    frame.snapshot.processes[index].pid
}
