//! The values on the screen are those of the JSON report of the same interval.

use numatrace::{model::Snapshot, output::json, output::tui::Column};
use serde_json::Value;

use crate::{
    fixture,
    frames::{app, frame, full, text},
};

/// Returns a column's value from a report's JSON, without the types of numatrace.
fn in_json(column: Column, process: &Value) -> Option<u64> {
    let sum = |at: &str| -> Option<u64> {
        let counts = process.pointer(at)?.as_array()?;
        Some(counts.iter().filter_map(Value::as_u64).sum())
    };
    let off = |at: &str| -> Option<u64> {
        let rows = process.pointer(at)?.as_array()?;
        let mut sum = 0;
        for (from, row) in rows.iter().enumerate() {
            for (to, count) in row.as_array()?.iter().enumerate() {
                if from != to {
                    sum += count.as_u64()?;
                }
            }
        }
        Some(sum)
    };
    match column {
        Column::Mismatch => {
            let part = process.pointer("/placement_mismatch")?.as_f64()?;
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "as the screen does"
            )]
            let ns = (sum("/run_ns")? as f64 * part) as u64;
            Some(ns)
        }
        Column::Remote => sum("/alloc/other_node"),
        Column::Missed => sum("/alloc/numa_miss"),
        Column::RemoteTouch => off("/first_touch/pages"),
        Column::RemoteAccess => off("/hint_faults/matrix"),
        Column::Moved => off("/page_migrations/matrix"),
        Column::NodeMoves => process.pointer("/task_moves/cross_node")?.as_u64(),
        Column::Away => process.pointer("/away_ns")?.as_u64(),
        Column::Cpu => sum("/run_ns"),
        Column::Allocs => Some(sum("/alloc/local_node")? + sum("/alloc/other_node")?),
    }
}

fn reports() -> Vec<Snapshot> {
    let mut reports: Vec<Snapshot> = fixture::all().into_iter().map(|(_, one)| one).collect();
    reports.extend([1, 2, 4, 64].map(full));
    reports
}

#[test]
fn every_column_has_the_value_of_the_report() {
    for snapshot in reports() {
        let json: Value = serde_json::from_str(&json::to_line(&snapshot).unwrap()).unwrap();
        let processes = json["processes"].as_array().unwrap();
        for (process, in_report) in snapshot.processes.iter().zip(processes) {
            for column in Column::ALL {
                assert_eq!(
                    column.count(process),
                    in_json(column, in_report),
                    "{column:?}"
                );
            }
        }
    }
}

#[test]
fn rows_are_in_the_order_of_the_reports_values() {
    for snapshot in reports() {
        let frame = frame(snapshot);
        let mut app = app(&frame);
        let json: Value = serde_json::from_str(&json::to_line(&frame.snapshot).unwrap()).unwrap();
        let in_report = json["processes"].as_array().unwrap();
        for column in Column::ALL {
            app.sort = column;
            let shown: Vec<Option<u64>> = app
                .processes()
                .iter()
                .filter(|row| row.pid.0 != 0)
                .map(|row| column.count(row))
                .collect();
            let mut wanted: Vec<Option<u64>> = in_report
                .iter()
                .filter(|process| process["pid"] != 0)
                .map(|process| in_json(column, process))
                .collect();
            wanted.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(shown, wanted, "{column:?}");
        }
    }
}

#[test]
fn the_first_row_is_the_process_with_most_remote_allocations_with_its_rate() {
    let screen = text(&app(&frame(fixture::two_nodes())), 80, 24);
    let row = screen
        .lines()
        .find(|line| line.contains("postgres"))
        .unwrap();
    // 51,200 remote allocations in an interval of a second.
    assert!(row.contains("51.2k"), "{row}");
    let at = |name: &str| screen.find(name).unwrap();
    assert!(at("postgres") < at("spill") && at("spill") < at("systemd"));
}
