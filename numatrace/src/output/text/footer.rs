//! The last lines: cost of tracing.

use crate::model::number;
use crate::model::{Cost, CostMethod, Snapshot};
use crate::output::format::{page::Page, percent, tone::Tone};

/// Writes the cost.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.gap();
    page.wrapped(Tone::Faint, "", "  ", &format!("Cost: {}.", cost(snapshot)));
    if let Some(limit) = limit(&snapshot.cost) {
        page.wrapped(Tone::Faint, "", "  ", &limit);
    }
}

/// Returns the cost in a sentence without its end.
pub fn cost(snapshot: &Snapshot) -> String {
    let cost = &snapshot.cost;
    let kernel = match (cost.bpf_ns, cost.bpf_runs) {
        (Some(ns), Some(runs)) => {
            let each = ns
                .checked_div(runs)
                .map(|each| format!(", {} ns each", number::grouped(each)))
                .unwrap_or_default();
            let of_machine = cost.bpf_cpu_share.map_or_else(String::new, |share| {
                format!(", {} of the machine's CPU time", percent::of_machine(share))
            });
            let time = number::brief(ns);
            format!(
                "{time} in the kernel for {}{each}{of_machine}",
                number::plural(runs, "program run")
            )
        }
        (None, Some(runs)) => format!(
            "{} in the kernel, time not measured",
            number::plural(runs, "program run")
        ),
        _ => "time in the kernel not measured".to_owned(),
    };
    let method = match cost.method {
        Some(CostMethod::Sampled) => " (sampled)",
        Some(CostMethod::Full) | None => "",
    };
    let cpu = cost.tracer_cpu_s.map(|s| format!("{s:.2} s CPU"));
    let memory = cost
        .tracer_rss_kb
        .map(|kb| format!("{} MiB", number::grouped(kb.div_ceil(1024))));
    let tracer: Vec<String> = cpu.into_iter().chain(memory).collect();
    let tracer = if tracer.is_empty() {
        String::new()
    } else {
        format!("; tracer {}", tracer.join(", "))
    };
    format!("{kernel}{method}{tracer}")
}

/// Says which details `--max-overhead` dropped, and when.
fn limit(cost: &Cost) -> Option<String> {
    let most = percent::of_machine(cost.max_overhead?);
    if cost.method.is_none() {
        return Some(format!(
            "--max-overhead {most}: not enforced, BPF run-time statistics need CAP_SYS_ADMIN."
        ));
    }
    if cost.reduced.is_empty() {
        return Some(format!("--max-overhead {most}: no detail was dropped."));
    }
    let dropped: Vec<String> = cost
        .reduced
        .iter()
        .map(|one| {
            let share = percent::of_machine(one.share);
            format!("{} after {:.1} s (at {share})", one.what, one.at_s)
        })
        .collect();
    Some(format!(
        "--max-overhead {most}: dropped {}; totals are exact.",
        dropped.join(", ")
    ))
}
