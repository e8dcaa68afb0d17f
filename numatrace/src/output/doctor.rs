//! The text of `numatrace doctor`: the answer first, then facts, hooks, capabilities, and lines to
//! copy.

use std::fmt::Write as _;

use super::format::size::mib_of_bytes;
use crate::model::HookState;
use crate::model::doctor::{CheckState, Doctor, DoctorHook};
use crate::model::number::plural;

/// Returns the whole text.
#[must_use]
pub fn render(doctor: &Doctor) -> String {
    let mut out = String::new();
    answer(&mut out, doctor);
    line(&mut out, "\nmachine");
    let width = doctor
        .checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    for check in &doctor.checks {
        let state = match check.state {
            CheckState::Ok => "ok",
            CheckState::Limited => "limited",
            CheckState::Blocked => "blocked",
            CheckState::Unknown => "unknown",
        };
        line(
            &mut out,
            &format!("  {state:<8}  {:<width$}  {}", check.name, check.value),
        );
        detail(&mut out, "means", check.means.as_deref());
        detail(&mut out, "to change it", check.way_out.as_deref());
    }
    line(&mut out, "\nhooks");
    let width = doctor
        .hooks
        .iter()
        .map(|hook| hook.hook.hook.len())
        .max()
        .unwrap_or(0);
    for hook in &doctor.hooks {
        one_hook(&mut out, hook, width);
    }
    line(&mut out, "\ncapabilities of this process");
    for capability in &doctor.capabilities {
        let held = match capability.held {
            Some(true) => "held",
            Some(false) => "missing",
            None => "unknown",
        };
        line(
            &mut out,
            &format!(
                "  {held:<8}  {:<14}  {}",
                capability.name, capability.purpose
            ),
        );
    }
    line(
        &mut out,
        "\nto trace without being root (add CAP_SYS_ADMIN for the cost figure)",
    );
    line(&mut out, &format!("  this file  {}", doctor.grants.file));
    for (index, setting) in doctor.grants.service.iter().enumerate() {
        line(
            &mut out,
            &format!(
                "  {:<9}  {setting}",
                if index == 0 { "a service" } else { "" }
            ),
        );
    }
    if let Some(memory) = doctor.memory {
        let mut cpus = memory.possible_cpus.map_or_else(String::new, |cpus| {
            format!(" on {}", plural(cpus, "possible CPU"))
        });
        if let Some(bytes) = memory.maps_bytes_64_cpus {
            cpus += &format!(" ({} on 64)", mib_of_bytes(bytes));
        }
        line(
            &mut out,
            &format!(
                "\nkernel memory of a session: {} for maps{cpus}, {} for programs",
                mib_of_bytes(memory.maps_bytes),
                mib_of_bytes(memory.programs_bytes)
            ),
        );
    }
    out
}

fn answer(out: &mut String, doctor: &Doctor) {
    let count = |state| {
        doctor
            .hooks
            .iter()
            .filter(|hook| hook.hook.state == state)
            .count()
    };
    match &doctor.refusal {
        None => line(
            out,
            &format!(
                "A tracing session is possible. Hooks: {} attached, {} reduced (fallback), {} not \
                 attached (absent).",
                count(HookState::Attached),
                count(HookState::Fallback),
                count(HookState::Absent)
            ),
        ),
        Some(refusal) => {
            line(
                out,
                &format!(
                    "No tracing session is possible: {}: {}",
                    refusal.what, refusal.why
                ),
            );
            line(out, &format!("To change it: {}", refusal.way_out));
        }
    }
}

fn one_hook(out: &mut String, hook: &DoctorHook, width: usize) {
    let state = match hook.hook.state {
        HookState::Attached => "attached",
        HookState::Fallback => "fallback",
        HookState::Absent => "absent",
    };
    line(
        out,
        &format!(
            "  {state:<8}  {:<width$}  {}",
            hook.hook.hook, hook.measures
        ),
    );
    detail(out, "via", hook.hook.via.as_deref());
    detail(out, "cost", Some(&hook.cost));
    detail(out, "because", hook.hook.reason.as_deref());
    detail(out, "lost", hook.hook.lost.as_deref());
}

fn detail(out: &mut String, what: &str, text: Option<&str>) {
    if let Some(text) = text {
        line(out, &format!("            {what}: {text}"));
    }
}

/// Writes a line. Control characters of a kernel or path name are shown, not sent to the terminal.
fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Hook;
    use crate::model::doctor::{Capability, Check, DoctorRefusal, Grants, Memory, SCHEMA};

    fn hook(hook: Hook) -> DoctorHook {
        DoctorHook {
            hook,
            measures: "something".into(),
            kernels: "6.1 and later".into(),
            cost: "runs now and then".into(),
        }
    }

    fn doctor() -> Doctor {
        Doctor {
            schema: SCHEMA.into(),
            possible: true,
            refusal: None,
            kernel: Some("6.12".into()),
            arch: "x86_64".into(),
            checks: vec![Check {
                name: "vm.numa_stat".into(),
                state: CheckState::Limited,
                value: "0\x1b[2J".into(),
                means: Some("no audit".into()),
                way_out: Some("sysctl".into()),
            }],
            hooks: vec![
                hook(Hook::attached("a", "tp_btf a")),
                hook(Hook::fallback("bb", "tp_btf b", "refused", "less")),
                hook(Hook::absent("c", "refused", "all")),
            ],
            capabilities: vec![Capability {
                name: "CAP_BPF".into(),
                held: Some(false),
                purpose: "maps".into(),
                for_hooks: true,
            }],
            grants: Grants {
                file: "setcap x".into(),
                service: vec!["A=x".into(), "B=x".into()],
            },
            memory: Some(Memory {
                maps_bytes: 1 << 20,
                maps_bytes_64_cpus: Some(4 << 20),
                programs_bytes: 1,
                possible_cpus: Some(2),
            }),
        }
    }

    #[test]
    fn the_answer_comes_first_and_every_loss_is_said() {
        let wanted = "\
A tracing session is possible. Hooks: 1 attached, 1 reduced (fallback), 1 not attached (absent).

machine
  limited   vm.numa_stat  0\\u{1b}[2J
            means: no audit
            to change it: sysctl

hooks
  attached  a   something
            via: tp_btf a
            cost: runs now and then
  fallback  bb  something
            via: tp_btf b
            cost: runs now and then
            because: refused
            lost: less
  absent    c   something
            cost: runs now and then
            because: refused
            lost: all

capabilities of this process
  missing   CAP_BPF         maps

to trace without being root (add CAP_SYS_ADMIN for the cost figure)
  this file  setcap x
  a service  A=x
             B=x

kernel memory of a session: 1.0 MiB for maps on 2 possible CPUs (4.0 MiB on 64), \
0.1 MiB for programs
";
        assert_eq!(render(&doctor()), wanted);
    }

    #[test]
    fn a_refusal_is_the_first_line_with_its_way_out() {
        let refusal = DoctorRefusal {
            what: "cannot load".into(),
            why: "no".into(),
            way_out: "do".into(),
        };
        let text = render(&Doctor {
            possible: false,
            refusal: Some(refusal),
            memory: None,
            ..doctor()
        });
        assert!(
            text.starts_with("No tracing session is possible: cannot load: no\nTo change it: do\n"),
            "{text}"
        );
    }
}
