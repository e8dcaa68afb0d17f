//! Effects of keys on the state.

use std::{sync::Arc, time::Duration};

use numatrace::output::tui::{Action, App, Column, Order, Recording, View};

use crate::{
    fixture,
    frames::{app, frame, full, pid, text},
};

fn does(app: &mut App, actions: &[Action]) -> Vec<Order> {
    actions
        .iter()
        .filter_map(|action| app.apply(*action))
        .collect()
}

#[test]
fn plus_and_minus_go_through_the_intervals_and_stop_at_their_ends() {
    let mut app = app(&frame(full(2)));
    let orders = does(&mut app, &[Action::Slower, Action::Slower]);
    let seconds = |seconds| Order::Interval(Duration::from_secs(seconds));
    assert_eq!(orders, [seconds(2), seconds(5)]);
    for _ in 0..20 {
        app.apply(Action::Slower);
    }
    assert_eq!(app.interval, Duration::from_secs(60));
    assert_eq!(app.apply(Action::Slower), None);
    for _ in 0..20 {
        app.apply(Action::Faster);
    }
    assert_eq!(app.interval, Duration::from_millis(500));
}

#[test]
fn r_asks_the_session_which_reports_the_outcome() {
    let mut app = app(&frame(full(2)));
    assert_eq!(app.apply(Action::Record), Some(Order::Record));
    assert_eq!(
        app.recording,
        Recording::Off,
        "nothing is shown before it is so"
    );
    app.recording = Recording::Failed {
        why: "no room".into(),
    };
    assert!(text(&app, 80, 24).contains("not recorded: no room"));
}

#[test]
fn a_paused_screen_stays_and_then_shows_the_newest_frame() {
    let first = frame(full(2));
    let mut other = full(2);
    other.processes[0].comm = "renamed".into();
    let mut app = app(&first);
    app.apply(Action::Pause);
    let before = text(&app, 80, 24);
    app.add(frame(other));
    assert_eq!(text(&app, 80, 24), before);
    assert!(before.contains("PAUSED"));
    app.apply(Action::Pause);
    assert!(text(&app, 80, 24).contains("renamed"));
}

#[test]
fn the_cursor_follows_its_process() {
    let first = frame(fixture::two_nodes());
    let mut app = app(&first);
    app.apply(Action::Down);
    let chosen = app.processes()[app.cursor].pid;
    // In the next interval the processes change places.
    let mut turned = fixture::two_nodes();
    for process in &mut turned.processes {
        if process.pid == chosen {
            let alloc = process.alloc.as_mut().unwrap();
            alloc.other_node.as_mut().unwrap().0[1] = 1_000_000;
        }
    }
    app.add(frame(turned));
    assert_eq!(app.processes()[app.cursor].pid, chosen);
    assert_eq!(app.cursor, 0);
}

#[test]
fn in_the_first_row_the_cursor_stays() {
    let first = frame(fixture::two_nodes());
    let mut app = app(&first);
    let mut turned = fixture::two_nodes();
    let second = app.processes()[1].pid;
    for process in &mut turned.processes {
        if process.pid == second {
            let alloc = process.alloc.as_mut().unwrap();
            alloc.other_node.as_mut().unwrap().0[1] = 1_000_000;
        }
    }
    app.add(frame(turned));
    assert_eq!((app.cursor, app.processes()[0].pid), (0, second));
}

#[test]
fn a_filter_leaves_matching_processes_and_escape_clears_it() {
    let frame = frame(fixture::two_nodes());
    let mut app = app(&frame);
    let all = app.processes().len();
    does(
        &mut app,
        &[Action::Filter, Action::Type('S'), Action::Type('p')],
    );
    let named: Vec<_> = app.processes().iter().map(|row| row.pid.0).collect();
    assert_eq!(named, [911], "spill, whatever the case");
    // Enter keeps the filter and opens no details.
    app.apply(Action::Enter);
    assert!(!app.typing && app.detail.is_none());
    assert_eq!(app.processes().len(), 1);
    app.apply(Action::Back);
    assert_eq!(app.processes().len(), all);
}

#[test]
fn enter_opens_the_process_under_the_cursor_and_escape_returns_to_it() {
    let frame = frame(fixture::two_nodes());
    let mut app = app(&frame);
    does(&mut app, &[Action::Down, Action::Enter]);
    let chosen = app.detail.map(|(pid, _)| pid);
    assert_eq!(chosen, Some(pid(&frame, 1)));
    assert!(text(&app, 80, 24).contains("spill"));
    app.apply(Action::Back);
    assert_eq!((app.detail, app.cursor), (None, 1));
}

#[test]
fn escape_never_quits_and_q_always_does() {
    let mut app = app(&frame(full(2)));
    for _ in 0..5 {
        assert_eq!(app.apply(Action::Back), None);
    }
    app.apply(Action::Help);
    assert_eq!(app.apply(Action::Quit), Some(Order::Quit));
}

#[test]
fn the_sort_key_goes_through_all_columns() {
    let mut app = app(&frame(full(2)));
    let mut seen = Vec::new();
    for _ in Column::ALL {
        seen.push(app.sort);
        app.apply(Action::Sort);
    }
    assert_eq!(seen, Column::ALL);
    assert_eq!(app.sort, Column::ALL[0]);
}

#[test]
fn the_matrix_goes_through_its_transfers_both_ways() {
    let mut app = app(&frame(full(2)));
    app.apply(Action::Show(View::Matrix));
    let first = app.transfer;
    does(&mut app, &[Action::Right, Action::Left]);
    assert_eq!(app.transfer, first);
    app.apply(Action::Left);
    assert_ne!(app.transfer, first);
}

#[test]
fn a_cursor_beyond_the_end_moves_to_the_end() {
    let frame = frame(full(4));
    let mut app = app(&frame);
    does(&mut app, &[Action::Last]);
    assert_eq!(app.cursor, app.processes().len() - 1);
    // Fewer processes in the next interval.
    let mut fewer = full(4);
    fewer.processes.truncate(3);
    app.add(crate::frames::frame(fewer));
    assert_eq!(app.cursor, 2);
}

#[test]
fn the_state_stays_small_during_hours_of_storms() {
    let mut app = app(&frame(full(2)));
    for round in 0..3_000_u32 {
        let mut storm = full(2);
        let process = &mut storm.processes[0];
        process.pid = numatrace::ids::Pid(10_000 + round);
        app.add(frame(storm));
    }
    assert!(app.details.len() <= 256, "{}", app.details.len());
    assert!(app.absences.len() <= 501, "{}", app.absences.len());
    assert!(app.findings.all().len() <= 100);
    drop(Arc::new(app));
}
