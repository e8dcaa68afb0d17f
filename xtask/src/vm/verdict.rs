//! The end of a guest, from the lines that its init reports and from how QEMU ended.

use std::fmt;

/// How a guest ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The command ended with this status, as a shell reports it.
    Exited(i32),
    /// The deadline passed.
    TimedOut,
    /// The kernel panicked.
    Panicked,
    /// QEMU ended without a report of the end.
    Silent,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit {status}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Panicked => f.write_str("kernel panic"),
            Self::Silent => f.write_str("ended without a status"),
        }
    }
}

/// The lines of init's report.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Init ran, so the kernel booted.
    pub up: bool,
    /// The command's status.
    pub exit: Option<i32>,
    /// The kernel's complaints about itself: warnings, stalls, oopses.
    pub complaints: Vec<String>,
    /// Steps that init could not do.
    pub notes: Vec<String>,
}

impl Report {
    /// Adds one line; a line of no known kind is a note.
    pub fn line(&mut self, line: &str) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("up", _) => self.up = true,
            ("exit", status) => self.exit = status.parse().ok(),
            ("kernel", text) => self.complaints.push(text.to_owned()),
            ("note", text) => self.notes.push(text.to_owned()),
            _ => self.notes.push(line.to_owned()),
        }
    }

    /// Returns whether the kernel found a fault in itself. Stalls are left out: an emulated CPU
    /// waits for a busy host.
    #[must_use]
    pub fn kernel_fault(&self) -> bool {
        let faults = ["BUG:", "WARNING:", "Oops", "general protection"];
        self.complaints.iter().any(|line| {
            faults.iter().any(|fault| line.contains(fault)) && !line.contains("soft lockup")
        })
    }
}

/// Returns how the guest ended, from its report, its console and whether it had to be killed.
#[must_use]
pub fn ending(report: &Report, console: &str, timed_out: bool) -> Ending {
    match report.exit {
        Some(status) => Ending::Exited(status),
        None if console.contains("Kernel panic") => Ending::Panicked,
        None if timed_out => Ending::TimedOut,
        None => Ending::Silent,
    }
}

/// Returns the console's last lines, for a person who looks for the reason.
#[must_use]
pub fn tail(console: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<_> = console.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &str) -> Report {
        let mut report = Report::default();
        lines.lines().for_each(|line| report.line(line));
        report
    }

    #[test]
    fn a_status_wins_over_whatever_came_later() {
        let report = report("up\nexit 3\n");
        assert!(report.up);
        assert_eq!(ending(&report, "Kernel panic", true), Ending::Exited(3));
    }

    #[test]
    fn without_a_status_the_console_says_why() {
        let up = report("up\n");
        assert_eq!(
            ending(&up, "x\nKernel panic - not syncing", false),
            Ending::Panicked
        );
        assert_eq!(ending(&up, "", true), Ending::TimedOut);
        assert_eq!(ending(&up, "", false), Ending::Silent);
        assert_eq!(ending(&report("exit what"), "", false), Ending::Silent);
    }

    #[test]
    fn stalls_are_told_but_are_no_fault() {
        assert!(
            !report(
                "kernel rcu: INFO: rcu_sched self-detected stall\nkernel BUG: soft lockup - CPU#1"
            )
            .kernel_fault()
        );
        assert!(report("kernel WARNING: CPU: 0 PID: 1 at mm/page_alloc.c:1").kernel_fault());
    }

    #[test]
    fn the_tail_is_whole_when_short() {
        assert_eq!(tail("a\nb\n"), "a\nb");
        assert!(tail(&"x\n".repeat(100)).lines().count() < 50);
    }
}
