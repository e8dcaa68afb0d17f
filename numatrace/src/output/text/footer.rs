//! The last line: what the tracing cost.

use super::page::{Page, Tone};
use crate::model::number;
use crate::model::{Cost, CostMethod, Snapshot};

/// Writes the line.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let cost = &snapshot.cost;
    let kernel = match (cost.bpf_ns, cost.bpf_runs) {
        (Some(ns), Some(runs)) => {
            let each = ns
                .checked_div(runs)
                .map(|each| format!(", {} ns each", number::grouped(each)))
                .unwrap_or_default();
            let of_machine = cost.bpf_cpu_share.map(of_machine).unwrap_or_default();
            let time = number::brief(ns);
            format!(
                "{time} in the kernel for {} runs{each}{of_machine}",
                number::grouped(runs)
            )
        }
        (None, Some(runs)) => format!(
            "{} runs in the kernel, their time not measured",
            number::grouped(runs)
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
    page.gap();
    page.wrapped(
        Some(Tone::Quiet),
        "",
        "  ",
        &format!("Cost: {kernel}{method}{tracer}."),
    );
    if let Some(said) = limit(cost) {
        page.wrapped(Some(Tone::Quiet), "", "  ", &said);
    }
}

/// What `--max-overhead` came to: what was given up for it, since when, and whether that was enough to know.
fn limit(cost: &Cost) -> Option<String> {
    let most = percent(cost.max_overhead?);
    if cost.method.is_none() {
        return Some(format!(
            "--max-overhead {most}: could not be watched, run-time statistics need CAP_SYS_ADMIN."
        ));
    }
    if cost.reduced.is_empty() {
        return Some(format!(
            "--max-overhead {most}: nothing had to be given up."
        ));
    }
    let given_up: Vec<String> = cost
        .reduced
        .iter()
        .map(|one| {
            let share = percent(one.share);
            format!("{} since {:.1} s (at {share})", one.what, one.at_s)
        })
        .collect();
    Some(format!(
        "--max-overhead {most}: given up {}; totals are exact.",
        given_up.join(", ")
    ))
}

/// A share as percent, with two digits behind the point.
fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// The share of all CPUs, with two digits behind the point: it is meant to be small.
fn of_machine(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.005 {
        ", <0.01 % of the machine's CPU time".into()
    } else {
        format!(", {percent:.2} % of the machine's CPU time")
    }
}
