//! The threads of a process: name, last CPU, and CPU time; from `/proc/PID/task/TID/stat`.

use std::path::Path;

use super::{ReadError, read_names, read_text};
use crate::ids::{CpuId, Pid, Tid};

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its thread id.
    pub tid: Tid,
    /// Its name, with invalid UTF-8 replaced.
    pub comm: String,
    /// The CPU it runs on or last ran on.
    pub cpu: CpuId,
    /// User and system time in clock ticks.
    pub ticks: u64,
}

/// Returns the threads of a process, without those that end meanwhile.
pub fn all(root: &Path, pid: Pid) -> Result<Vec<Thread>, ReadError> {
    let dir = format!("proc/{pid}/task");
    let mut threads = Vec::new();
    for name in read_names(root, &dir)? {
        let Ok(tid) = name.parse() else { continue };
        let relative = format!("{dir}/{name}/stat");
        match read_text(root, &relative) {
            Ok(text) => {
                let thread = parse(Tid(tid), &text);
                threads
                    .push(thread.ok_or_else(|| {
                        ReadError::garbage(root.join(relative), "too few fields")
                    })?);
            }
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    threads.sort_by_key(|thread| thread.tid);
    Ok(threads)
}

/// Parses a line of proc_pid_stat(5): after the name in parentheses come state (field 3), utime
/// (14), stime (15) and processor (39).
fn parse(tid: Tid, text: &str) -> Option<Thread> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, comm) = head.split_once('(')?;
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3);
    let time = |number| field(number)?.parse::<u64>().ok();
    Some(Thread {
        tid,
        comm: comm.to_owned(),
        cpu: CpuId(field(39)?.parse().ok()?),
        ticks: time(14)?.saturating_add(time(15)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_last_parenthesis() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let thread = parse(Tid(9), &format!("9 (a) b (c) S {}", fields.join(" "))).unwrap();
        assert_eq!(
            (thread.comm.as_str(), thread.cpu, thread.ticks),
            ("a) b (c", CpuId(39), 29)
        );
        assert_eq!(parse(Tid(9), "9 (a) S 1 2 3"), None);
        assert_eq!(parse(Tid(9), ""), None);
        let own = all(Path::new("/"), Pid(std::process::id())).unwrap();
        assert!(own.iter().any(|thread| thread.tid.0 == std::process::id()));
    }
}
