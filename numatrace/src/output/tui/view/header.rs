//! The head of the screen: what is watched, each node at a glance, the audit, what is missing, and what all this costs.

use super::{Part, Row, cells, plain};
use crate::{
    model::{
        Alloc, HookState, PerNode, Snapshot, Verdict, frame::ScreenFrame, matrix::share, number,
        stat::pressure::NodePressure,
    },
    output::tui::{app::App, rate::size, recording::Recording, theme::Tone},
};

/// With more nodes than this, or on a small screen, one line stands for all.
const EACH: usize = 4;

/// Lines of a screen from which nodes have lines of their own.
const TALL: usize = 16;

/// Lines of a screen from which there is more than one line of head.
const LOW: usize = 10;

pub fn rows(app: &App, width: usize, height: usize) -> Vec<Row> {
    let mut rows = vec![title(app, width)];
    if height >= LOW {
        rows.extend(recording(&app.recording));
    }
    let Some(look) = &app.look else { return rows };
    if height < LOW {
        return rows;
    }
    let nodes = glances(look);
    if nodes.len() <= EACH && height >= TALL {
        rows.extend(nodes.iter().map(|node| one(node, width)));
    } else {
        rows.push(all(&nodes));
    }
    rows.push(state(&look.snapshot, width));
    rows
}

/// The recording, while there is anything to say of it.
fn recording(recording: &Recording) -> Option<Row> {
    Some(match recording {
        Recording::Off => return None,
        Recording::Beginning => plain(Tone::Warn, "recording: attaching ..."),
        Recording::On { path, seconds, kib } => vec![
            (Tone::Bad, "recording".into()),
            (
                Tone::Plain,
                format!(" {seconds} s, {} in {path}", size(Some(*kib))),
            ),
            (Tone::Faint, "  r ends it".into()),
        ],
        Recording::Done { path, kib } => vec![
            (Tone::Good, "recorded".into()),
            (Tone::Plain, format!(" {} in {path}", size(Some(*kib)))),
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
    if let Some(look) = &app.look {
        let session = &look.snapshot.session;
        let nodes = number::plural(look.snapshot.host.nodes.len(), "node");
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

/// Whose details these are.
fn scope(app: &App) -> String {
    let pids = &app.scope.pids;
    match pids.as_slice() {
        [] => "all processes".into(),
        [pid] => format!("process {pid}"),
        more => number::plural(more.len(), "process").replace("processs", "processes"),
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds} s")
}

/// A node at a glance.
struct Glance {
    name: String,
    /// Share of its CPUs' time that was used; `None` without CPUs, or not measured.
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

fn glances(look: &ScreenFrame) -> Vec<Glance> {
    let snapshot = &look.snapshot;
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
            let memory: Option<&NodePressure> = look.memory.get(position);
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

fn percent(share: Option<f64>) -> String {
    match share {
        None => number::UNKNOWN.into(),
        share => format!("{} %", number::percent(share)),
    }
}

/// A line for one node.
fn one(node: &Glance, width: usize) -> Row {
    let used = node.used_kib();
    let full = used
        .zip(node.total_kib)
        .and_then(|(used, total)| share(used, total));
    let bars = if width >= 100 { 10 } else { 5 };
    let meter =
        |part: Option<f64>| part.map_or_else(|| " ".repeat(bars), |part| cells::bar(part, bars));
    let memory = match node.total_kib {
        Some(0) => "none".to_owned(),
        total => format!("{} of {}", size(used), size(total)),
    };
    vec![
        (Tone::Strong, format!("node {:<4}", node.name)),
        (Tone::Plain, format!("CPU {} ", meter(node.busy))),
        (Tone::Plain, format!("{:>7}  ", percent(node.busy))),
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
    (tone, percent(share))
}

/// One line for all nodes, with those that stand out.
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
    let worst = nodes
        .iter()
        .filter_map(|node| Some((node.local_share()?, &node.name)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let mut row = Row::new();
    if let Some((share, name)) = busiest {
        row.push((
            Tone::Plain,
            format!("busiest node {name}: CPU {}  ", percent(Some(share))),
        ));
    }
    row.push((
        Tone::Plain,
        format!("mem {} of {}  ", size(used), size(total)),
    ));
    row.push((Tone::Plain, "local ".into()));
    row.push(local(local_share));
    if let Some((share, name)) = worst.filter(|_| nodes.len() > 1) {
        row.push((Tone::Plain, format!("  (node {name}: ")));
        row.push(local(Some(share)));
        row.push((Tone::Plain, ")".into()));
    }
    row
}

/// Audit, losses, hooks, cost.
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
    cells::joined(parts)
}

/// Columns from which hooks that are not in place are named, and not only counted.
const NAMED: usize = 120;

/// Hooks that are not in place; those that were left out on request are no loss.
fn hooks(snapshot: &Snapshot, named: bool) -> Part {
    let wanted = snapshot.hooks.iter().filter(|hook| !hook.is_left_out());
    let gone: Vec<&str> = wanted
        .clone()
        .filter(|hook| hook.state == HookState::Absent)
        .map(|hook| hook.hook.as_str())
        .collect();
    let lesser: Vec<&str> = wanted
        .filter(|hook| hook.state == HookState::Fallback)
        .map(|hook| hook.hook.as_str())
        .collect();
    let told = |what: &str, hooks: &[&str]| {
        if named {
            format!("{what}: {}", hooks.join(" "))
        } else {
            format!("{what} {}", hooks.len())
        }
    };
    let mut parts = Vec::new();
    if !lesser.is_empty() {
        parts.push(told("fallback", &lesser));
    }
    if !gone.is_empty() {
        parts.push(told("absent", &gone));
    }
    if parts.is_empty() {
        (Tone::Good, "all hooks".into())
    } else {
        (Tone::Warn, parts.join(", "))
    }
}

/// What tracing costs: our programs as a share of all CPU time, our own process as a share of one CPU.
fn cost(snapshot: &Snapshot) -> Part {
    let cost = &snapshot.cost;
    let own = cost
        .tracer_cpu_s
        .filter(|_| snapshot.session.duration_s > 0.0)
        .map(|cpu| cpu / snapshot.session.duration_s);
    let text = format!(
        "BPF {}, own {} {}",
        percent(cost.bpf_cpu_share),
        percent(own),
        size(cost.tracer_rss_kb)
    );
    (Tone::Faint, text)
}
