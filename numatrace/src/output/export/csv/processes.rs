//! Processes, their threads and their mappings.

use super::lines::{Key, Lines};
use super::session::quantities;
use crate::model::quantity::Measures;
use crate::model::{Alloc, Counter, Mapping, Name, PerNode, Process, Snapshot};

pub fn write(lines: &mut Lines, snapshot: &Snapshot) {
    let key = |process: &Process| Key {
        process: Some((process.pid, process.comm.clone())),
        ..Key::default()
    };
    for process in &snapshot.processes {
        let measures = Measures::of_processes(snapshot, &[process]);
        quantities(lines, "process", &key(process), &measures);
    }
    for process in &snapshot.processes {
        by_node(
            lines,
            "process_node",
            &key(process),
            process.alloc.as_ref(),
            process.run_ns.as_ref(),
        );
    }
    for process in &snapshot.processes {
        matrices(lines, &key(process), process);
    }
    for process in &snapshot.processes {
        let reasons = process
            .task_moves
            .as_ref()
            .and_then(|moves| moves.by_reason.as_ref());
        for (reason, moves) in reasons.into_iter().flatten() {
            lines.number("task_move", &key(process), reason.name(), moves);
        }
    }
    for process in &snapshot.processes {
        for thread in &process.threads {
            let key = Key {
                process: Some((process.pid, thread.comm.clone())),
                tid: Some(thread.tid),
                ..Key::default()
            };
            by_node(
                lines,
                "thread",
                &key,
                thread.alloc.as_ref(),
                thread.run_ns.as_ref(),
            );
        }
    }
    for process in &snapshot.processes {
        for mapping in &process.mappings {
            self::mapping(lines, &key(process), mapping);
        }
    }
    for process in &snapshot.processes {
        for mapping in &process.mappings {
            mapping_threads(lines, &key(process), mapping);
        }
    }
}

fn by_node(
    lines: &mut Lines,
    table: &str,
    key: &Key,
    alloc: Option<&Alloc>,
    run: Option<&PerNode>,
) {
    if let Some(alloc) = alloc {
        for counter in Counter::ALL {
            lines.per_node(table, key, counter.name(), alloc.counter(counter));
        }
        lines.per_node(table, key, "pages", alloc.pages.as_ref());
    }
    lines.per_node(table, key, "run_ns", run);
}

fn matrices(lines: &mut Lines, key: &Key, process: &Process) {
    let touched = process.first_touch.as_ref();
    let hints = process.hint_faults.as_ref();
    let migrated = process.page_migrations.as_ref();
    let moves = process.task_moves.as_ref();
    for (name, matrix) in [
        (
            "first_touch_pages",
            touched.and_then(|touched| touched.pages.as_ref()),
        ),
        ("hint_faults", hints.and_then(|hints| hints.matrix.as_ref())),
        (
            "migrated_pages",
            migrated.and_then(|migrated| migrated.matrix.as_ref()),
        ),
        (
            "cross_node_moves",
            moves.and_then(|moves| moves.matrix.as_ref()),
        ),
    ] {
        lines.matrix("process_matrix", key, name, matrix);
    }
}

/// Names a mapping with its address: a process has many mappings of one name.
fn place(mapping: &Mapping) -> Name {
    let mut place = mapping.name.as_bytes().to_vec();
    place.extend(format!(" at {:#x}", mapping.start.0).bytes());
    Name::from(place)
}

fn of_mapping(key: &Key, mapping: &Mapping) -> Key {
    Key {
        mapping: Some(place(mapping)),
        ..key.clone()
    }
}

fn mapping(lines: &mut Lines, key: &Key, mapping: &Mapping) {
    let key = of_mapping(key, mapping);
    lines.line(
        "mapping",
        &key,
        "start",
        format_args!("{:#x}", mapping.start.0),
    );
    lines.line("mapping", &key, "end", format_args!("{:#x}", mapping.end.0));
    lines.line("mapping", &key, "kind", mapping.kind.name());
    quantities(lines, "mapping", &key, &Measures::of_mapping(mapping));
    lines.per_node(
        "mapping",
        &key,
        "residency_pages",
        mapping.residency.as_ref(),
    );
}

fn mapping_threads(lines: &mut Lines, key: &Key, mapping: &Mapping) {
    let key = of_mapping(key, mapping);
    let of = |tid| Key {
        tid: Some(tid),
        ..key.clone()
    };
    for entry in mapping.first_touch.iter().flat_map(|touch| &touch.by_tid) {
        lines.number("mapping_thread", &of(entry.tid), "pages", entry.pages);
        lines.known(
            "mapping_thread",
            &of(entry.tid),
            "remote_pages",
            entry.remote,
        );
    }
    for entry in &mapping.users {
        lines.number(
            "mapping_thread",
            &of(entry.tid),
            "hint_faults",
            entry.faults,
        );
        lines.number(
            "mapping_thread",
            &of(entry.tid),
            "remote_hint_faults",
            entry.remote,
        );
    }
}
