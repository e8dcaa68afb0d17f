//! The CPUs a process may run on and the nodes it may allocate from: `Cpus_allowed_list` and
//! `Mems_allowed_list`, and its cgroup; from `/proc/PID`.

use std::path::Path;

use super::{ReadError, list, read_list, read_text};

/// The limits of a process, after affinity and cpusets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// CPUs it may run on.
    pub cpus: Vec<u32>,
    /// Nodes it may allocate from.
    pub mems: Vec<u32>,
    /// The path of the cgroup with its cpuset, from the root of that hierarchy.
    pub cgroup: Option<String>,
    /// CPUs of the cgroup's cpuset; `None` when the cgroup has none.
    pub cpuset_cpus: Option<Vec<u32>>,
    /// Nodes of the cgroup's cpuset; `None` when the cgroup has none.
    pub cpuset_mems: Option<Vec<u32>>,
}

/// Reads the limits of `who`: a PID or `self`.
pub fn read(root: &Path, who: &str) -> Result<Limits, ReadError> {
    let relative = format!("proc/{who}/status");
    let text = read_text(root, &relative)?;
    let row = |name: &str| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = value.ok_or_else(|| {
            ReadError::garbage(root.join(&relative), format!("it has no row {name}"))
        })?;
        list::parse_kernel(value.trim())
            .map_err(|error| ReadError::garbage(root.join(&relative), error.to_string()))
    };
    let (cpus, mems) = (row("Cpus_allowed_list")?, row("Mems_allowed_list")?);
    let Some((hierarchy, cgroup)) = read_text(root, &format!("proc/{who}/cgroup"))
        .ok()
        .and_then(|text| cpuset(&text))
    else {
        return Ok(Limits {
            cpus,
            mems,
            ..Limits::default()
        });
    };
    let set = |names: [&str; 2]| {
        let dir = format!(
            "sys/fs/cgroup/{hierarchy}{}",
            cgroup.trim_start_matches('/')
        );
        let lists = names
            .iter()
            .find_map(|name| read_list(root, &format!("{dir}/{name}")).ok());
        lists.filter(|numbers| !numbers.is_empty())
    };
    Ok(Limits {
        cpus,
        mems,
        cpuset_cpus: set(["cpuset.cpus.effective", "cpuset.effective_cpus"]),
        cpuset_mems: set(["cpuset.mems.effective", "cpuset.effective_mems"]),
        cgroup: Some(cgroup),
    })
}

/// Returns the hierarchy's directory and the cgroup in it: of cgroup v1's cpuset controller where
/// that is mounted, of v2 otherwise.
fn cpuset(text: &str) -> Option<(&'static str, String)> {
    let mut unified = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers
            .split(',')
            .any(|controller| controller == "cpuset")
        {
            return Some(("cpuset/", path.to_owned()));
        }
        if controllers.is_empty() {
            unified = Some(("", path.to_owned()));
        }
    }
    unified
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn limits_with_and_without_a_cpuset() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(
            &root.join("proc/7/status"),
            "Name:\tx\nCpus_allowed_list:\t0-3,8\nMems_allowed_list:\t1",
        );
        let plain = read(root, "7").unwrap();
        assert_eq!(
            (plain.cpus, plain.mems, plain.cgroup),
            (vec![0, 1, 2, 3, 8], vec![1], None)
        );
        write(&root.join("proc/7/cgroup"), "0::/app.slice");
        write(
            &root.join("sys/fs/cgroup/app.slice/cpuset.mems.effective"),
            "0-1",
        );
        let limits = read(root, "7").unwrap();
        assert_eq!(
            (limits.cpuset_mems, limits.cpuset_cpus),
            (Some(vec![0, 1]), None)
        );
        write(&root.join("proc/7/cgroup"), "8:cpuset:/old\n0::/app.slice");
        write(
            &root.join("sys/fs/cgroup/cpuset/old/cpuset.effective_mems"),
            "1",
        );
        assert_eq!(read(root, "7").unwrap().cpuset_mems, Some(vec![1]));
        write(&root.join("proc/7/status"), "Name: x");
        assert!(
            read(root, "7")
                .unwrap_err()
                .to_string()
                .contains("no row Cpus_allowed_list")
        );
        assert!(read(root, "8").unwrap_err().is_absent());
    }
}
