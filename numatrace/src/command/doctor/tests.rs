//! Claims about the whole command that hold on every machine.

use super::*;
use crate::model::doctor::CheckState;

#[test]
fn the_json_document_reads_back_and_agrees_with_itself() {
    let mut out = Vec::new();
    let args = DoctorArgs {
        format: Format::Json,
    };
    run(&args, &mut out).unwrap();
    let doctor: Doctor = serde_json::from_slice(&out).unwrap();
    assert_eq!(doctor.schema, SCHEMA);
    assert_eq!(doctor.possible, doctor.refusal.is_none());
    let rows: Vec<&str> = doctor
        .hooks
        .iter()
        .map(|hook| hook.hook.hook.as_str())
        .collect();
    assert_eq!(
        rows,
        HOOKS.iter().map(|row| row.hook).collect::<Vec<_>>(),
        "every hook of the table, in its order"
    );
    if doctor.possible {
        assert!(
            doctor
                .checks
                .iter()
                .all(|check| check.state != CheckState::Blocked)
        );
        assert!(doctor.memory.unwrap().maps_bytes > 0);
    }
    for hook in &doctor.hooks {
        let attached = hook.hook.state == crate::model::HookState::Attached;
        assert_eq!(
            attached,
            hook.hook.reason.is_none(),
            "{}: a reason exactly when not attached",
            hook.hook.hook
        );
    }
}

#[test]
fn a_machine_without_proc_and_sys_is_told_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let doctor = examine(empty.path());
    assert!(!doctor.possible);
    let refusal = doctor.refusal.unwrap();
    assert!(!refusal.why.is_empty() && !refusal.way_out.is_empty());
    let blocked = doctor
        .checks
        .iter()
        .find(|check| check.name == "type information")
        .unwrap();
    assert_eq!(blocked.state, CheckState::Blocked);
    assert!(doctor.hooks.iter().all(|hook| hook.hook.lost.is_some()));
}

#[test]
fn processes_with_a_seccomp_filter_are_counted() {
    let root = tempfile::tempdir().unwrap();
    for (pid, mode) in [(1, 0), (20, 2), (21, 2), (300, 1)] {
        let folder = root.path().join(format!("proc/{pid}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("status"), format!("Seccomp:\t{mode}\n")).unwrap();
    }
    assert_eq!(filtered(root.path()), Some(2));
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(filtered(empty.path()), None);
}
