//! Pictures of the views on machines of one to 64 nodes, and claims that hold for all of them.

use numatrace::{
    model::quantity::headers,
    output::{
        escape,
        tui::{self, App, Options},
    },
};
use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::{
    fixture,
    frames::{app, drawn, frame, full, states, text},
};

/// Sizes of terminals: from nearly nothing to huge.
const SIZES: [(u16, u16); 5] = [(1, 1), (20, 5), (80, 24), (160, 50), (400, 120)];

#[test]
fn every_view_on_one_two_four_and_sixty_four_nodes() {
    for nodes in [1, 2, 4, 64] {
        let frame = frame(full(nodes));
        for (name, app) in states(&frame) {
            insta::assert_snapshot!(format!("{name}_{nodes}_nodes"), text(&app, 80, 24));
        }
    }
}

#[test]
fn a_large_terminal_shows_more() {
    for nodes in [2, 64] {
        let frame = frame(full(nodes));
        for (name, app) in states(&frame).into_iter().take(6) {
            insta::assert_snapshot!(format!("{name}_{nodes}_nodes_large"), text(&app, 160, 50));
        }
    }
}

#[test]
fn a_tiny_terminal_shows_what_matters_most() {
    let frame = frame(full(2));
    for (name, app) in states(&frame) {
        insta::assert_snapshot!(format!("{name}_tiny"), text(&app, 20, 5));
    }
}

#[test]
fn moves_between_caches_are_shown_where_they_were_measured() {
    let moves = |snapshot| {
        let frame = frame(snapshot);
        let mut states = states(&frame).into_iter();
        let (_, app) = states.find(|(name, _)| *name == "moves").unwrap();
        text(&app, 80, 24)
    };
    let screen = moves(fixture::caches::eight_caches());
    let says = "moves between nodes 0/s; between caches of a node 1,300/s";
    assert!(screen.contains(says), "{screen}");
    let screen = moves(fixture::sixty_four_nodes());
    assert!(screen.contains("moves between nodes"), "{screen}");
    assert!(!screen.contains("caches"), "{screen}");
}

#[test]
fn missing_hooks_are_counted_and_their_columns_have_dashes() {
    let frame = frame(fixture::fallback());
    let screen = text(&app(&frame), 80, 24);
    insta::assert_snapshot!("processes_fallback", screen);
    assert!(screen.contains("fallback 1, absent 1"), "{screen}");
}

#[test]
fn no_name_controls_the_terminal_in_any_view_and_size() {
    let frame = frame(fixture::hostile());
    for (name, app) in states(&frame) {
        for (width, height) in SIZES {
            let screen = text(&app, width, height);
            let hostile = |c: char| c != '\n' && escape::is_hostile(c);
            assert!(
                !screen.contains(hostile),
                "{name} {width}x{height}: {screen:?}"
            );
        }
    }
    insta::assert_snapshot!("processes_hostile", text(&app(&frame), 80, 24));
}

#[test]
fn every_view_can_be_drawn_at_every_size() {
    for nodes in [1, 2, 4, 64] {
        let frame = frame(full(nodes));
        for (_, app) in states(&frame) {
            for (width, height) in SIZES {
                let terminal = drawn(&app, width, height);
                assert_eq!(terminal.backend().buffer().area.height, height);
            }
        }
    }
}

#[test]
fn before_the_first_interval_the_screen_says_that_it_waits() {
    let options = Options {
        color: false,
        interval: std::time::Duration::from_secs(1),
        scope: fixture::quiet(2).session.scope,
    };
    let screen = text(&App::new(options), 80, 24);
    assert!(screen.contains("first interval"), "{screen}");
}

#[test]
fn without_colour_no_place_has_one() {
    for nodes in [2, 64] {
        let frame = frame(full(nodes));
        for (name, app) in states(&frame) {
            let terminal = drawn(&app, 160, 50);
            let places = &terminal.backend().buffer().content;
            let coloured = places
                .iter()
                .filter(|place| place.fg != Color::Reset || place.bg != Color::Reset);
            assert_eq!(coloured.count(), 0, "{name}");
        }
    }
}

#[test]
fn with_colour_the_heat_map_has_some() {
    let frame = frame(full(64));
    let (_, mut app) = states(&frame).swap_remove(2);
    app.theme.color = true;
    let terminal = drawn(&app, 160, 50);
    let hot = |place: &&Cell| place.bg != Color::Reset;
    assert!(
        terminal
            .backend()
            .buffer()
            .content
            .iter()
            .filter(hot)
            .count()
            > 20
    );
}

#[test]
fn every_header_of_a_table_is_that_of_a_quantity_or_identifies_rows() {
    let all = tui::headers();
    assert!(all.len() > 30, "{all:?}");
    let unknown: Vec<&String> = all
        .iter()
        .filter(|header| !headers::is_known(header))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
