//! What the views look like: pictures on machines of one to 64 nodes, and what holds for all of them.

use numatrace::output::{
    escape,
    tui::{App, Options},
};
use ratatui::style::Color;

use crate::{
    fixture,
    looks::{app, drawn, full, look, states, text},
};

/// Sizes of terminals: nearly nothing, the smallest that is any good, large, huge.
const SIZES: [(u16, u16); 5] = [(1, 1), (20, 5), (80, 24), (160, 50), (400, 120)];

#[test]
fn every_view_on_one_two_four_and_sixty_four_nodes() {
    for nodes in [1, 2, 4, 64] {
        let look = look(full(nodes));
        for (name, app) in states(&look) {
            insta::assert_snapshot!(format!("{name}_{nodes}_nodes"), text(&app, 80, 24));
        }
    }
}

#[test]
fn a_large_terminal_shows_more() {
    for nodes in [2, 64] {
        let look = look(full(nodes));
        for (name, app) in states(&look).into_iter().take(6) {
            insta::assert_snapshot!(format!("{name}_{nodes}_nodes_large"), text(&app, 160, 50));
        }
    }
}

#[test]
fn a_tiny_terminal_shows_what_matters_most() {
    let look = look(full(2));
    for (name, app) in states(&look) {
        insta::assert_snapshot!(format!("{name}_tiny"), text(&app, 20, 5));
    }
}

#[test]
fn hosts_without_exact_hooks_say_so_and_show_dashes() {
    let look = look(fixture::fallback());
    let screen = text(&app(&look), 80, 24);
    insta::assert_snapshot!("processes_fallback", screen);
    assert!(screen.contains("fallback 1, absent 1"), "{screen}");
}

#[test]
fn no_name_writes_to_the_terminal_whatever_the_view_and_the_size() {
    let look = look(fixture::hostile());
    for (name, app) in states(&look) {
        for (width, height) in SIZES {
            let screen = text(&app, width, height);
            let hostile = |c: char| c != '\n' && escape::is_hostile(c);
            assert!(
                !screen.contains(hostile),
                "{name} {width}x{height}: {screen:?}"
            );
        }
    }
    insta::assert_snapshot!("processes_hostile", text(&app(&look), 80, 24));
}

#[test]
fn every_view_can_be_drawn_at_every_size() {
    for nodes in [1, 2, 4, 64] {
        let look = look(full(nodes));
        for (_, app) in states(&look) {
            for (width, height) in SIZES {
                let terminal = drawn(&app, width, height);
                assert_eq!(terminal.backend().buffer().area.height, height);
            }
        }
    }
}

#[test]
fn before_the_first_interval_the_screen_says_what_it_waits_for() {
    let options = Options {
        color: false,
        interval: std::time::Duration::from_secs(1),
        scope: fixture::quiet(2).session.scope,
    };
    let screen = text(&App::new(options), 80, 24);
    assert!(screen.contains("first interval"), "{screen}");
}

#[test]
fn without_colour_no_cell_has_one() {
    for nodes in [2, 64] {
        let look = look(full(nodes));
        for (name, app) in states(&look) {
            let terminal = drawn(&app, 160, 50);
            let cells = &terminal.backend().buffer().content;
            let coloured = cells
                .iter()
                .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
            assert_eq!(coloured.count(), 0, "{name}");
        }
    }
}

#[test]
fn with_colour_the_heat_map_has_some() {
    let look = look(full(64));
    let (_, mut app) = states(&look).swap_remove(2);
    app.theme.color = true;
    let terminal = drawn(&app, 160, 50);
    let hot = |cell: &&ratatui::buffer::Cell| cell.bg != Color::Reset;
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
