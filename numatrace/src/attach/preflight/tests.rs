//! Claims about refusals and facts: made-up machines as directory trees, and this one.

use std::{fs, io, path::Path};

use tempfile::TempDir;

use super::*;

/// A tree of (file, text).
fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn allowed() -> Trial {
    Trial {
        maps: Ok(()),
        programs: Ok(()),
        probe_read: Ok(()),
    }
}

fn denied(errno: i32) -> Denied {
    Denied::of(&io::Error::from_raw_os_error(errno))
}

fn preflight(release: &str, trial: Trial, caps: &str) -> Preflight {
    Preflight {
        release: Some(release.into()),
        btf: Err("no BTF".into()),
        trial,
        capabilities: Capabilities::parse(&format!("Name:\tx\nCapEff:\t{caps}\n")),
        host: Host::default(),
    }
}

const ALL: &str = "000001ffffffffff";
const NONE: &str = "0000000000000000";
const SYS_ADMIN: &str = "0000000000200000";

#[test]
fn an_old_kernel_is_refused_before_anything_is_tried() {
    let refused = preflight(
        "5.15.0-91-generic",
        Trial {
            maps: Err(denied(libc::EPERM)),
            ..allowed()
        },
        NONE,
    );
    let refusal = refused.refusal().unwrap();
    assert!(
        refusal.why.contains("5.15.0-91-generic") && refusal.way_out.contains("6.1"),
        "{refusal}"
    );
}

#[test]
fn each_error_number_has_its_own_cause_and_way_out() {
    let say = |errno, caps| {
        let trial = Trial {
            programs: Err(denied(errno)),
            ..allowed()
        };
        preflight("6.12.1", trial, caps).refusal().unwrap()
    };
    let unprivileged = say(libc::EPERM, NONE);
    assert!(
        unprivileged
            .why
            .starts_with("this process lacks CAP_BPF and CAP_PERFMON"),
        "{unprivileged}"
    );
    assert!(unprivileged.way_out.contains("doctor"), "{unprivileged}");
    let filtered = say(libc::EPERM, ALL);
    assert!(
        filtered.why.contains("seccomp") && filtered.way_out.contains("seccomp"),
        "{filtered}"
    );
    let hints = [libc::EPERM, libc::EACCES, libc::ENOMEM, libc::ENOSYS]
        .map(|errno| say(errno, ALL).way_out);
    for (index, hint) in hints.iter().enumerate() {
        assert!(!hints[index + 1..].contains(hint), "{hint}");
    }
    assert!(
        say(libc::EBUSY, ALL).why.contains("busy"),
        "unknown numbers keep the system's words"
    );
}

#[test]
fn no_btf_is_refused_only_when_programs_would_load() {
    let refusal = preflight("6.12.1", allowed(), ALL).refusal().unwrap();
    assert_eq!(refusal.why, "no BTF");
    let refusal = preflight(
        "6.12.1",
        Trial {
            maps: Err(denied(libc::EPERM)),
            ..allowed()
        },
        NONE,
    )
    .refusal();
    assert_eq!(refusal.unwrap().what, "cannot create eBPF maps");
}

#[test]
fn refused_memory_reads_alone_never_refuse_a_session() {
    let trial = Trial {
        probe_read: Err(Denied::unsupported()),
        ..allowed()
    };
    let mut machine = preflight("6.12.1", trial, ALL);
    let mut b = crate::attach::btf::fixture::BtfBuilder::new();
    b.int("int", 4);
    machine.btf = KernelBtf::from_bytes(b.build()).map_err(|error| error.to_string());
    assert_eq!(machine.refusal(), None);
}

#[test]
fn sys_admin_stands_in_for_bpf_and_perfmon_but_not_for_the_rest() {
    let caps = Capabilities::parse(&format!("CapEff:\t{SYS_ADMIN}")).unwrap();
    assert!(caps.missing_for_hooks().is_empty());
    let has: Vec<&str> = NEEDS
        .iter()
        .filter(|need| caps.has(need))
        .map(|need| need.name)
        .collect();
    assert_eq!(has, ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"]);
    assert_eq!(Capabilities::parse("CapEff:\tnothing"), None);
}

#[test]
fn the_settings_of_a_confined_machine_are_read() {
    let dir = tree(&[
        (
            "sys/kernel/security/lockdown",
            "none integrity [confidentiality]\n",
        ),
        ("proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
        ("proc/self/uid_map", "         0       1000          1\n"),
        ("proc/sys/vm/numa_stat", "0\n"),
        ("proc/self/cgroup", "0::/user.slice/app.scope\n"),
        ("sys/fs/cgroup/user.slice/memory.max", "1048576\n"),
        ("sys/fs/cgroup/user.slice/app.scope/memory.max", "max\n"),
        ("sys/devices/system/cpu/possible", "0-7\n"),
        ("sys/kernel/tracing/events/enable", "0\n"),
    ]);
    std::os::unix::fs::symlink("pid:[4026532261]", {
        fs::create_dir_all(dir.path().join("proc/self/ns")).unwrap();
        dir.path().join("proc/self/ns/pid")
    })
    .unwrap();
    let wanted = Host {
        lockdown: Some(Lockdown::Confidentiality),
        unprivileged_bpf_disabled: Some(2),
        pid_namespace: Some(PidNamespace::Nested),
        in_user_namespace: Some(true),
        numa_stat: Some(false),
        tracefs: true,
        memory_max: Some(1_048_576),
        possible_cpus: Some(8),
    };
    assert_eq!(Host::read(dir.path()), wanted);
}

#[test]
fn a_setting_that_cannot_be_read_is_unknown_and_not_off() {
    let dir = tree(&[
        ("sys/kernel/security/lockdown", "none integrity\n"),
        ("proc/sys/vm/numa_stat", "maybe\n"),
        ("proc/self/cgroup", "0::/../../other\n"),
        ("sys/devices/system/cpu/possible", "3-1\n"),
    ]);
    assert_eq!(Host::read(dir.path()), Host::default());
    assert_eq!(Host::read(Path::new("/nonexistent")), Host::default());
}

#[test]
fn this_machine_is_described() {
    let here = Preflight::of(Path::new("/"));
    assert!(
        here.series().is_some() && here.capabilities.is_some() && here.host.pid_namespace.is_some()
    );
    // Every refusal has a cause and a way out, whatever this machine allows.
    for answer in [
        here.trial.maps,
        here.trial.programs,
        trampolines(),
        here.trial.probe_read,
    ] {
        if let Err(denied) = answer {
            assert!(
                !denied.explain(&[], &here.host).is_empty()
                    && !denied.way_out(&[], &here.host).is_empty()
            );
        }
    }
}
