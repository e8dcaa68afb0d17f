//! The machine of the figures: without it they mean nothing.

use std::fs;

use crate::run;

/// Returns the machine in one sentence.
#[must_use]
pub fn described() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let virtual_machine = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    let cpus = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kib| kib >> 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kind = if virtual_machine {
        "virtual machine"
    } else {
        "machine"
    };
    format!(
        "{kind} with {cpus} CPUs ({model}), {gib} GiB, Linux {}",
        kernel.trim()
    )
}

/// Returns how busy the machine is: `0.42`.
#[must_use]
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// Returns the commit that was measured, with a mark when files differ from it.
#[must_use]
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        run::capture(
            command
                .args(arguments)
                .current_dir(crate::workspace::root()),
        )
    };
    let Ok(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "an unknown commit".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let mark = match changed {
        Ok(text) if text.trim().is_empty() => "",
        _ => " with local changes",
    };
    format!("{}{mark}", commit.trim())
}
