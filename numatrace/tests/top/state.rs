//! What keys do to the state.

use std::{sync::Arc, time::Duration};

use numatrace::output::tui::{Action, App, Column, Order, Recording, View};

use crate::{
    fixture,
    looks::{app, full, look, pid, text},
};

fn does(app: &mut App, actions: &[Action]) -> Vec<Order> {
    actions
        .iter()
        .filter_map(|action| app.apply(*action))
        .collect()
}

#[test]
fn plus_and_minus_go_through_the_intervals_and_stop_at_their_ends() {
    let mut app = app(&look(full(2)));
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
fn r_is_for_the_session_which_says_what_became_of_it() {
    let mut app = app(&look(full(2)));
    assert_eq!(app.apply(Action::Record), Some(Order::Record));
    assert_eq!(
        app.recording,
        Recording::Off,
        "nothing is said before it is so"
    );
    app.recording = Recording::Failed {
        why: "no room".into(),
    };
    assert!(text(&app, 80, 24).contains("not recorded: no room"));
}

#[test]
fn a_held_screen_stays_and_then_shows_the_newest() {
    let first = look(full(2));
    let mut other = full(2);
    other.processes[0].comm = "renamed".into();
    let mut app = app(&first);
    app.apply(Action::Pause);
    let before = text(&app, 80, 24);
    app.take(look(other));
    assert_eq!(text(&app, 80, 24), before);
    assert!(before.contains("PAUSED"));
    app.apply(Action::Pause);
    assert!(text(&app, 80, 24).contains("renamed"));
}

#[test]
fn the_cursor_goes_with_its_process() {
    let look1 = look(fixture::two_nodes());
    let mut app = app(&look1);
    app.apply(Action::Down);
    let chosen = app.processes()[app.cursor].pid;
    // In the next interval the processes have changed places.
    let mut turned = fixture::two_nodes();
    for process in &mut turned.processes {
        if process.pid == chosen {
            let alloc = process.alloc.as_mut().unwrap();
            alloc.other_node.as_mut().unwrap().0[1] = 1_000_000;
        }
    }
    app.take(look(turned));
    assert_eq!(app.processes()[app.cursor].pid, chosen);
    assert_eq!(app.cursor, 0);
}

#[test]
fn the_first_row_is_whoever_is_first() {
    let look1 = look(fixture::two_nodes());
    let mut app = app(&look1);
    let mut turned = fixture::two_nodes();
    let second = app.processes()[1].pid;
    for process in &mut turned.processes {
        if process.pid == second {
            let alloc = process.alloc.as_mut().unwrap();
            alloc.other_node.as_mut().unwrap().0[1] = 1_000_000;
        }
    }
    app.take(look(turned));
    assert_eq!((app.cursor, app.processes()[0].pid), (0, second));
}

#[test]
fn a_filter_leaves_what_holds_it_and_escape_takes_it_away() {
    let look = look(fixture::two_nodes());
    let mut app = app(&look);
    let all = app.processes().len();
    does(
        &mut app,
        &[Action::Filter, Action::Type('S'), Action::Type('p')],
    );
    let named: Vec<_> = app.processes().iter().map(|row| row.pid.0).collect();
    assert_eq!(named, [911], "spill, whatever the case");
    // Enter keeps it, and goes nowhere.
    app.apply(Action::Enter);
    assert!(!app.typing && app.detail.is_none());
    assert_eq!(app.processes().len(), 1);
    app.apply(Action::Back);
    assert_eq!(app.processes().len(), all);
}

#[test]
fn enter_leads_into_the_process_under_the_cursor_and_escape_back_to_it() {
    let look = look(fixture::two_nodes());
    let mut app = app(&look);
    does(&mut app, &[Action::Down, Action::Enter]);
    let chosen = app.detail.map(|(pid, _)| pid);
    assert_eq!(chosen, Some(pid(&look, 1)));
    assert!(text(&app, 80, 24).contains("spill"));
    app.apply(Action::Back);
    assert_eq!((app.detail, app.cursor), (None, 1));
}

#[test]
fn escape_never_ends_it_and_q_always_does() {
    let mut app = app(&look(full(2)));
    for _ in 0..5 {
        assert_eq!(app.apply(Action::Back), None);
    }
    app.apply(Action::Help);
    assert_eq!(app.apply(Action::Quit), Some(Order::Quit));
}

#[test]
fn the_sort_key_goes_through_all_columns() {
    let mut app = app(&look(full(2)));
    let mut seen = Vec::new();
    for _ in Column::ALL {
        seen.push(app.sort);
        app.apply(Action::Sort);
    }
    assert_eq!(seen, Column::ALL);
    assert_eq!(app.sort, Column::ALL[0]);
}

#[test]
fn the_matrix_goes_through_its_quantities_both_ways() {
    let mut app = app(&look(full(2)));
    app.apply(Action::Show(View::Matrix));
    let first = app.quantity;
    does(&mut app, &[Action::Right, Action::Left]);
    assert_eq!(app.quantity, first);
    app.apply(Action::Left);
    assert_ne!(app.quantity, first);
}

#[test]
fn a_cursor_beyond_the_end_is_at_the_end() {
    let look = look(full(4));
    let mut app = app(&look);
    does(&mut app, &[Action::Last]);
    assert_eq!(app.cursor, app.processes().len() - 1);
    // Fewer processes in the next interval.
    let mut fewer = full(4);
    fewer.processes.truncate(3);
    app.take(crate::looks::look(fewer));
    assert_eq!(app.cursor, 2);
}

#[test]
fn what_is_kept_over_hours_of_storms_stays_small() {
    let mut app = app(&look(full(2)));
    for round in 0..3_000_u32 {
        let mut storm = full(2);
        let process = &mut storm.processes[0];
        process.pid = numatrace::ids::Pid(10_000 + round);
        app.take(look(storm));
    }
    assert!(app.details.len() <= 256, "{}", app.details.len());
    assert!(app.stories.len() <= 501, "{}", app.stories.len());
    assert!(app.findings.all().len() <= 100);
    drop(Arc::new(app));
}
