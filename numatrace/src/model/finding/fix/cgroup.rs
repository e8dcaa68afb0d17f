//! The service or container that a process is in, by its cgroup: both can be placed while they run,
//! and their cpuset outranks what programs ask for themselves.

use super::{Fix, FixKind, shell};
use crate::model::{Name, Process};

/// Digits of a container's id that its tools print and take.
const SHORT_ID: usize = 12;

/// Least digits of a full id.
const FULL_ID: usize = 32;

/// Manager of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager<'a> {
    /// A service of the system.
    Systemd(&'a str),
    /// A container, by the tool that changes it.
    Container(&'static str, &'a str),
}

/// Returns the fix that gives a service or container these nodes, and these CPUs if any (lists).
pub fn fix(process: &Process, cpus: Option<&str>, nodes: &str, expect: String) -> Option<Fix> {
    let path = std::str::from_utf8(process.cgroup.as_ref()?.as_bytes()).ok()?;
    let allowed = cpus.map_or_else(String::new, |cpus| format!(" AllowedCPUs={cpus}"));
    let set = cpus.map_or_else(String::new, |cpus| format!("--cpuset-cpus={cpus} "));
    // The lines for good bind CPUs and memory to one set of nodes.
    let lines = cpus.map_or_else(String::new, |_| {
        format!(
            " (for good, in [Service] of the unit: NUMAPolicy=bind, NUMAMask={nodes}, \
             CPUAffinity=numa)"
        )
    });
    let what = if nodes.contains([',', '-']) {
        "nodes"
    } else {
        "node"
    };
    let fix = match manager(path)? {
        Manager::Systemd(unit) => {
            let name = shell::word(&Name::from(unit))?;
            Fix::advice(
                FixKind::Service,
                unit,
                format!("give its service the {what}{lines}"),
            )
            .with(format!(
                "systemctl set-property --runtime {name} AllowedMemoryNodes={nodes}{allowed}"
            ))
        }
        Manager::Container("kubelet", id) => Fix::advice(
            FixKind::Container,
            id,
            format!(
                "give its container the {what} (Kubernetes does that for pods of the class \
                 Guaranteed: cpuManagerPolicy static, memoryManagerPolicy Static, \
                 topologyManagerPolicy single-numa-node)"
            ),
        )
        .with(format!("crictl update {set}--cpuset-mems={nodes} {id}")),
        Manager::Container(tool, id) => Fix::advice(
            FixKind::Container,
            id,
            format!("give its container the {what}"),
        )
        .with(format!("{tool} update {set}--cpuset-mems={nodes} {id}")),
    };
    Some(fix.expecting(expect))
}

/// Finds the innermost manager of a path. Units of a user's own systemd have no cpuset.
fn manager(path: &str) -> Option<Manager<'_>> {
    let mut parts = path.split('/').rev().peekable();
    while let Some(part) = parts.next() {
        let scope = part.strip_suffix(".scope").unwrap_or(part);
        for (before, tool) in [
            ("docker-", "docker"),
            ("libpod-", "podman"),
            ("cri-containerd-", "kubelet"),
            ("crio-", "kubelet"),
        ] {
            if let Some(id) = scope.strip_prefix(before).and_then(short_id) {
                let tool = if path.contains("kubepods") {
                    "kubelet"
                } else {
                    tool
                };
                return Some(Manager::Container(tool, id));
            }
        }
        // The layout without systemd.
        if let Some(id) = short_id(part) {
            let tool = match parts.peek() {
                _ if path.contains("kubepods") => "kubelet",
                Some(&"docker") => "docker",
                Some(&"libpod_parent") => "podman",
                _ => continue,
            };
            return Some(Manager::Container(tool, id));
        }
        let is_unit = part.len() > ".service".len() && part.ends_with(".service");
        if is_unit {
            let is_users = path.starts_with("/user.slice/") || part.starts_with("user@");
            return (!is_users).then_some(Manager::Systemd(part));
        }
    }
    None
}

/// Returns the short form of a container's full id.
fn short_id(text: &str) -> Option<&str> {
    let is_id = text.len() >= FULL_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.get(..SHORT_ID)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use crate::model::ProcessKind;

    fn command(path: &str) -> Option<(FixKind, String)> {
        let mut process = Process::new(Pid(7), 0, "app", ProcessKind::User);
        process.cgroup = Some(Name::from(path));
        let fix = fix(&process, Some("4-7"), "1", String::new())?;
        Some((fix.kind, fix.commands.join("\n")))
    }

    #[test]
    fn services_and_containers_are_known_by_their_cgroup() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let service = "systemctl set-property --runtime";
        let set = "AllowedMemoryNodes=1 AllowedCPUs=4-7";
        for (path, unit) in [
            ("/system.slice/redis.service", "redis.service"),
            ("/system.slice/redis.service/worker", "redis.service"),
            (
                r"/system.slice/system-db.slice/db@a\x2db.service",
                r"'db@a\x2db.service'",
            ),
        ] {
            let expected = (FixKind::Service, format!("{service} {unit} {set}"));
            assert_eq!(command(path), Some(expected), "{path}");
        }
        let update = "update --cpuset-cpus=4-7 --cpuset-mems=1 0123456789ab";
        for (path, tool) in [
            (format!("/system.slice/docker-{id}.scope"), "docker"),
            (format!("/docker/{id}"), "docker"),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                "podman",
            ),
            (
                format!("/kubepods.slice/kubepods-pod9.slice/cri-containerd-{id}.scope"),
                "crictl",
            ),
            (format!("/kubepods/burstable/pod9/{id}"), "crictl"),
            // Kubernetes in a container or a service of its own.
            (
                format!("/system.slice/kubelet.service/kubepods/pod9/{id}"),
                "crictl",
            ),
        ] {
            let expected = (FixKind::Container, format!("{tool} {update}"));
            assert_eq!(command(&path), Some(expected), "{path}");
        }
        for path in [
            "/",
            "/user.slice/user-0.slice/session-1.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service",
            "/system.slice/.service",
            "/init.scope",
        ] {
            assert_eq!(command(path), None, "{path}");
        }
    }
}
