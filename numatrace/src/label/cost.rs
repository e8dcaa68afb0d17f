//! The cost section of the report.

use super::session_info::CostParts;
use crate::model::{Cost, CostMethod};

/// Returns the cost of a session, with the program times of its measuring windows scaled to all of
/// it.
///
/// A window is a sample of the session's time, so runs and times grow with the session. Statistics
/// are on for a small part only, because they slow every BPF program of the machine.
pub fn cost(parts: CostParts, duration_s: f64, cpus: usize) -> Cost {
    let mut cost = Cost {
        tracer_cpu_s: parts.tracer_cpu_s,
        tracer_rss_kb: parts.tracer_rss_kb,
        max_overhead: parts.max_overhead,
        reduced: parts.reduced,
        ..Cost::default()
    };
    let Some((measured, windows)) = parts.measured else {
        return cost;
    };
    let scale = (duration_s / windows.as_secs_f64()).max(1.0);
    let bpf_ns = scaled(measured.ns, scale);
    cost.method = Some(if scale > 1.0 {
        CostMethod::Sampled
    } else {
        CostMethod::Full
    });
    cost.bpf_ns = Some(bpf_ns);
    cost.bpf_runs = Some(scaled(measured.runs, scale));
    #[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
    let share = bpf_ns as f64 / 1e9 / (duration_s * cpus.max(1) as f64);
    cost.bpf_cpu_share = (duration_s > 0.0).then_some(share);
    cost
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sample scaled to a session has three good digits, and both factors are positive"
)]
fn scaled(value: u64, scale: f64) -> u64 {
    (value as f64 * scale).round() as u64
}
