//! Folded stacks as a flame graph: an SVG that can be searched and zoomed in any browser. Local is
//! blue, remote is red.

use std::io;

use inferno::flamegraph::color::{BasicPalette, Color, PaletteMap};
use inferno::flamegraph::{self, Options, Palette};

use super::folded::{self, Weight};
use crate::model::{Snapshot, number};
use crate::output::escape;
use crate::output::format::scope::scope;

/// The colours are light enough for black letters, and distinct for people who cannot distinguish
/// red and green.
const LOCAL: Color = Color {
    r: 120,
    g: 170,
    b: 230,
};
const REMOTE: Color = Color {
    r: 230,
    g: 75,
    b: 60,
};

/// Returns the graph of a report; `None` when the weight was not measured, or all counts are 0.
///
/// # Errors
/// Errors of the SVG writer.
pub fn render(snapshot: &Snapshot, weight: Weight) -> io::Result<Option<Vec<u8>>> {
    let lines = folded::lines(snapshot, weight);
    if lines.is_empty() {
        return Ok(None);
    }
    let mut palette = PaletteMap::default();
    palette.insert("local", LOCAL);
    palette.insert("remote", REMOTE);
    let mut options = Options::default();
    options.colors = Palette::Basic(BasicPalette::Yellow);
    options.palette_map = Some(&mut palette);
    // Equal reports give equal pictures.
    options.deterministic = true;
    (options.title, options.count_name) = match weight {
        Weight::Pages => (
            "First touch: placement of user pages".to_owned(),
            "pages".to_owned(),
        ),
        Weight::Accesses => (
            "Sampled accesses (NUMA hinting faults)".to_owned(),
            "accesses".to_owned(),
        ),
    };
    options.subtitle = Some(format!(
        "numatrace {}: {}, {}",
        escape::text(snapshot.session.command.as_bytes()),
        scope(&snapshot.session),
        number::duration(snapshot.session.duration_s),
    ));
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    Ok(Some(svg))
}
