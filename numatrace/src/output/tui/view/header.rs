//! The head of the screen: the scope, one line per node, the audit, losses, hooks, and the cost of
//! tracing.

use super::{Part, Row, line, plain};
use crate::{
    model::{
        Alloc, HookState, PerNode, Snapshot, Verdict, frame::ScreenFrame, matrix::share, number,
        number::percent_sign, stat::pressure::NodePressure,
    },
    output::{
        format::{NODES_SIDE_BY_SIDE, size::with_unit, tone::Tone},
        tui::{app::App, recording::Recording},
    },
};

/// Lines of a screen from which each node has a line; on more nodes, one line stands for all.
const TALL: usize = 16;

/// Lines of a screen from which the head has more than one line.
const LOW: usize = 10;

pub fn rows(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = vec![title(app, width)];
    if height >= LOW {
        rows.extend(recording(&app.recording));
    }
    let Some(frame) = &app.frame else {
        return rows;
    };
    if height < LOW {
        return rows;
    }
    let nodes = glances(frame);
    if nodes.len() <= NODES_SIDE_BY_SIDE && height >= TALL {
        rows.extend(nodes.iter().map(|node| one(node, width)));
    } else {
        rows.push(all(&nodes));
    }
    rows.push(state(&frame.snapshot, width));
    rows
}

/// Describes the recording, once one was started.
fn recording(recording: &Recording) -> Option<Row> {
    Some(match recording {
        Recording::Off => return None,
        Recording::Beginning => plain(Tone::Warn, "recording: attaching ..."),
        Recording::On { path, seconds, kib } => vec![
            (Tone::Bad, "recording".into()),
            (
                Tone::Plain,
                format!(" {seconds} s, {} in {path}", with_unit(Some(*kib))),
            ),
            (Tone::Faint, "  r stops it".into()),
        ],
        Recording::Done { path, kib } => vec![
            (Tone::Good, "recorded".into()),
            (Tone::Plain, format!(" {} in {path}", with_unit(Some(*kib)))),
        ],
        Recording::Failed { why } => vec![
            (Tone::Bad, "not recorded".into()),
            (Tone::Plain, format!(": {why}")),
        ],
    })
}

fn title(app: &App, width: usize) -> Row {
    let mut row = plain(Tone::Strong, "numatrace top");
    let mut add = |tone, text: String| row.push((tone, format!("  {text}")));
    if app.paused {
        add(Tone::Warn, "PAUSED".into());
    }
    if matches!(app.recording, Recording::On { .. }) {
        add(Tone::Bad, "REC".into());
    }
    if let Some(frame) = &app.frame {
        let session = &frame.snapshot.session;
        let nodes = number::plural(frame.snapshot.host.nodes.len(), "node");
        add(Tone::Plain, nodes);
        add(Tone::Plain, scope(app));
        add(
            Tone::Plain,
            format!("every {}", seconds(app.interval.as_secs_f64())),
        );
        if width >= 60 {
            let time = session.start.strftime("%H:%M:%S UTC");
            add(Tone::Faint, time.to_string());
        }
    } else {
        add(Tone::Plain, scope(app));
    }
    row
}

/// Names the processes that are traced in detail.
fn scope(app: &App) -> String {
    let pids = &app.scope.pids;
    match pids.as_slice() {
        [] => "all processes".into(),
        [pid] => format!("process {pid}"),
        more => number::plural(more.len(), "process"),
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds} s")
}

/// The most important numbers of a node.
struct Glance {
    name: String,
    /// Share of its CPUs' time that was used; `None` without CPUs or a measurement.
    busy: Option<f64>,
    total_kib: Option<u64>,
    free_kib: Option<u64>,
    local: Option<u64>,
    allocations: Option<u64>,
}

impl Glance {
    fn used_kib(&self) -> Option<u64> {
        Some(self.total_kib?.saturating_sub(self.free_kib?))
    }

    fn local_share(&self) -> Option<f64> {
        share(self.local?, self.allocations?)
    }
}

fn glances(frame: &ScreenFrame) -> Vec<Glance> {
    let snapshot = &frame.snapshot;
    let total = snapshot.alloc_total();
    let run = snapshot
        .system
        .as_ref()
        .and_then(|system| system.run_ns.as_ref());
    let at = |counts: Option<&PerNode>, position| counts.map(|counts| counts.at(position));
    let nodes = snapshot.host.nodes.iter().enumerate();
    nodes
        .map(|(position, node)| {
            let alloc = total.as_ref();
            let local = at(alloc.and_then(|a: &Alloc| a.local_node.as_ref()), position);
            let other = at(alloc.and_then(|a: &Alloc| a.other_node.as_ref()), position);
            let memory: Option<&NodePressure> = frame.memory.get(position);
            Glance {
                name: node.node.to_string(),
                busy: busy(
                    at(run, position),
                    snapshot.session.duration_s,
                    node.cpus.len(),
                ),
                total_kib: memory.and_then(|memory| memory.total_kib),
                free_kib: memory.and_then(|memory| memory.free_kib),
                local,
                allocations: local.zip(other).map(|(l, o)| l.saturating_add(o)),
            }
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
fn busy(run_ns: Option<u64>, seconds: f64, cpus: usize) -> Option<f64> {
    let whole = seconds * 1e9 * cpus as f64;
    run_ns
        .filter(|_| whole > 0.0)
        .map(|ns| (ns as f64 / whole).min(1.0))
}

/// Returns the line of one node.
fn one(node: &Glance, width: usize) -> Row {
    let used = node.used_kib();
    let full = used
        .zip(node.total_kib)
        .and_then(|(used, total)| share(used, total));
    let bars = if width >= 100 { 10 } else { 5 };
    let meter =
        |part: Option<f64>| part.map_or_else(|| " ".repeat(bars), |part| line::bar(part, bars));
    let memory = match node.total_kib {
        Some(0) => "none".to_owned(),
        total => format!("{} of {}", with_unit(used), with_unit(total)),
    };
    vec![
        (Tone::Strong, format!("node {:<4}", node.name)),
        (Tone::Plain, format!("CPU {} ", meter(node.busy))),
        (Tone::Plain, format!("{:>7}  ", percent_sign(node.busy))),
        (Tone::Plain, format!("mem {} ", meter(full))),
        (Tone::Plain, format!("{memory:<19}  ")),
        (Tone::Plain, "local ".into()),
        local(node.local_share()),
    ]
}

fn local(share: Option<f64>) -> Part {
    let tone = match share {
        Some(share) if share < 0.9 => Tone::Bad,
        Some(share) if share < 0.99 => Tone::Warn,
        Some(_) => Tone::Good,
        None => Tone::Faint,
    };
    (tone, percent_sign(share))
}

/// Returns one line for all nodes, with the busiest and the least local one.
fn all(nodes: &[Glance]) -> Row {
    let sum = |of: fn(&Glance) -> Option<u64>| nodes.iter().map(of).sum::<Option<u64>>();
    let used = sum(Glance::used_kib);
    let total = sum(|node| node.total_kib);
    let local_share = sum(|node| node.local)
        .zip(sum(|node| node.allocations))
        .and_then(|(local, all)| share(local, all));
    let busiest = nodes
        .iter()
        .filter_map(|node| Some((node.busy?, &node.name)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let least = nodes
        .iter()
        .filter_map(|node| Some((node.local_share()?, &node.name)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let mut row = Row::new();
    if let Some((share, name)) = busiest {
        row.push((
            Tone::Plain,
            format!("busiest node {name}: CPU {}  ", percent_sign(Some(share))),
        ));
    }
    row.push((
        Tone::Plain,
        format!("mem {} of {}  ", with_unit(used), with_unit(total)),
    ));
    row.push((Tone::Plain, "local ".into()));
    row.push(local(local_share));
    if let Some((share, name)) = least.filter(|_| nodes.len() > 1) {
        row.push((Tone::Plain, format!("  (least on node {name}: ")));
        row.push(local(Some(share)));
        row.push((Tone::Plain, ")".into()));
    }
    row
}

/// Describes audit, losses, cost and hooks.
fn state(snapshot: &Snapshot, width: usize) -> Row {
    let (tone, verdict) = match snapshot.audit.verdict {
        Verdict::Exact => (Tone::Good, "exact"),
        Verdict::WithinMisses => (Tone::Good, "within misses"),
        Verdict::Approximate => (Tone::Warn, "approximate"),
        Verdict::Failed => (Tone::Bad, "FAILED"),
        Verdict::Unavailable => (Tone::Warn, "unavailable"),
    };
    let mut parts = vec![(tone, format!("audit {verdict}"))];
    let lost = snapshot.coverage.records_lost;
    parts.push(match lost {
        Some(0) => (Tone::Good, "lost 0".into()),
        lost => (Tone::Bad, format!("lost {}", number::count(lost))),
    });
    parts.push(cost(snapshot));
    parts.push(hooks(snapshot, width >= NAMED));
    line::joined(parts)
}

/// Columns of a screen from which missing hooks are named, and not only counted.
const NAMED: usize = 120;

/// Describes hooks that are not fully attached. Hooks left out on request are not missing.
fn hooks(snapshot: &Snapshot, named: bool) -> Part {
    let wanted = snapshot.hooks.iter().filter(|hook| !hook.is_left_out());
    let absent: Vec<&str> = wanted
        .clone()
        .filter(|hook| hook.state == HookState::Absent)
        .map(|hook| hook.hook.as_str())
        .collect();
    let fallback: Vec<&str> = wanted
        .filter(|hook| hook.state == HookState::Fallback)
        .map(|hook| hook.hook.as_str())
        .collect();
    let list = |what: &str, hooks: &[&str]| {
        if named {
            format!("{what}: {}", hooks.join(" "))
        } else {
            format!("{what} {}", hooks.len())
        }
    };
    let mut parts = Vec::new();
    if !fallback.is_empty() {
        parts.push(list("fallback", &fallback));
    }
    if !absent.is_empty() {
        parts.push(list("absent", &absent));
    }
    if parts.is_empty() {
        (Tone::Good, "all hooks".into())
    } else {
        (Tone::Warn, parts.join(", "))
    }
}

/// Describes the cost of tracing: BPF programs as a share of all CPU time, this process as a share
/// of one CPU.
fn cost(snapshot: &Snapshot) -> Part {
    let cost = &snapshot.cost;
    let tracer = cost
        .tracer_cpu_s
        .filter(|_| snapshot.session.duration_s > 0.0)
        .map(|cpu| cpu / snapshot.session.duration_s);
    let text = format!(
        "BPF {}, tracer {} {}",
        percent_sign(cost.bpf_cpu_share),
        percent_sign(tracer),
        with_unit(cost.tracer_rss_kb)
    );
    (Tone::Faint, text)
}
