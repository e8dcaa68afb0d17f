//! The session, the machine, hooks, audit, and the machine's quantities.

use super::lines::{Key, Lines};
use crate::model::quantity::{ALL, Measured, Measures};
use crate::model::{Counter, HookState, Snapshot, Verdict};

pub fn write(lines: &mut Lines, snapshot: &Snapshot) {
    let none = Key::default();
    let (session, host) = (&snapshot.session, &snapshot.host);
    lines.line("session", &none, "command", &session.command);
    lines.line("session", &none, "start", session.start);
    lines.number("session", &none, "duration_s", session.duration_s);
    lines.known("session", &none, "exit_status", session.exit_status);
    lines.line("session", &none, "kernel", &host.kernel);
    lines.line("session", &none, "arch", &host.arch);
    lines.number("session", &none, "page_size", host.page_size);
    lines.known("session", &none, "numa_balancing", host.numa_balancing);
    let coverage = &snapshot.coverage;
    for (name, count) in [
        ("records", coverage.records),
        ("records_lost", coverage.records_lost),
        ("recursion_misses", coverage.recursion_misses),
        ("rejected", coverage.rejected),
        ("unattributed", coverage.unattributed),
    ] {
        lines.known("session", &none, name, count);
    }
    let cost = &snapshot.cost;
    lines.known("session", &none, "bpf_ns", cost.bpf_ns);
    lines.known("session", &none, "bpf_runs", cost.bpf_runs);
    lines.known("session", &none, "bpf_cpu_share", cost.bpf_cpu_share);
    lines.known("session", &none, "tracer_cpu_s", cost.tracer_cpu_s);
    lines.known("session", &none, "tracer_rss_kb", cost.tracer_rss_kb);
    for node in &host.nodes {
        let key = Key {
            node: Some(node.node),
            ..Key::default()
        };
        lines.known("node", &key, "mem_kb", node.mem_kb);
        lines.number("node", &key, "cpus", node.cpus.len());
    }
    for hook in &snapshot.hooks {
        let state = match hook.state {
            HookState::Attached => "attached",
            HookState::Fallback => "fallback",
            HookState::Absent => "absent",
        };
        lines.line("hook", &none, &hook.hook, state);
    }
    audit(lines, snapshot);
    quantities(lines, "machine", &none, &Measures::of_machine(snapshot));
}

fn audit(lines: &mut Lines, snapshot: &Snapshot) {
    let audit = &snapshot.audit;
    let verdict = match audit.verdict {
        Verdict::Exact => "exact",
        Verdict::WithinMisses => "within_misses",
        Verdict::Approximate => "approximate",
        Verdict::Failed => "failed",
        Verdict::Unavailable => "unavailable",
    };
    lines.line("audit", &Key::default(), "verdict", verdict);
    lines.known("audit", &Key::default(), "unexplained", audit.unexplained);
    for node in &audit.nodes {
        let key = Key {
            node: Some(node.node),
            ..Key::default()
        };
        for counter in Counter::ALL {
            let (name, compared) = (counter.name(), node.counter(counter));
            lines.known("audit", &key, &format!("{name}.kernel"), compared.kernel);
            lines.known("audit", &key, &format!("{name}.traced"), compared.traced);
            lines.known(
                "audit",
                &key,
                &format!("{name}.residual"),
                compared.residual,
            );
        }
    }
}

/// Writes every quantity that was measured.
pub fn quantities(lines: &mut Lines, table: &str, key: &Key, measures: &Measures) {
    for quantity in ALL {
        match (quantity.read)(measures) {
            // `Measured::value` would lose the last digits of a large count.
            Some(Measured::Count(count) | Measured::State(count)) => {
                lines.number(table, key, quantity.name, count);
            }
            other => lines.known(table, key, quantity.name, other.and_then(Measured::value)),
        }
    }
}
