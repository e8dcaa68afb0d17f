//! The head of a comparison: both sessions, headline, differences that the program did not cause.

use super::cells;
use crate::model::diff::{Diff, Headline, Side, Verdict};
use crate::model::number;
use crate::output::escape;
use crate::output::format::{page::Page, scope::scope, tone::Tone};

/// Writes the two sessions, the headline and the notes.
pub fn write(page: &mut Page<'_>, diff: &Diff) {
    for (word, side) in [("before", &diff.before), ("after ", &diff.after)] {
        page.wrapped(
            Tone::Plain,
            &format!("{word}  "),
            "        ",
            &session(side),
        );
    }
    page.gap();
    match &diff.headline {
        Some(headline) => {
            let tone = match cells::tone(headline.change.verdict) {
                Tone::Plain => Tone::Strong,
                tone => tone,
            };
            page.wrapped(tone, "", "  ", &sentence(headline));
        }
        None => page.wrapped(
            Tone::Warn,
            "",
            "  ",
            "no headline: neither allocations nor sampled accesses were counted in both sessions",
        ),
    }
    if !diff.notes.is_empty() {
        page.section("Before comparing");
        for note in &diff.notes {
            page.item(Tone::Warn, &escape::text(note.as_bytes()));
        }
    }
}

fn session(side: &Side) -> String {
    let session = &side.session;
    format!(
        "{}: {}, {}, {}, Linux {}, {}",
        escape::text(side.file.as_bytes()),
        scope(session),
        number::duration(session.duration_s),
        session.start.strftime("%Y-%m-%d %H:%M:%S UTC"),
        escape::text(side.host.kernel.as_bytes()),
        number::plural(side.host.nodes.len(), "node"),
    )
}

/// Writes the headline: `app: 1.3 % of its sampled accesses were local, now 98.7 %: better by …`.
fn sentence(headline: &Headline) -> String {
    let change = &headline.change;
    let of = match headline.quantity {
        "local_access_share" => "sampled accesses",
        _ => "allocations",
    };
    let subject = headline.comm.as_ref().map_or_else(
        || "the machine".into(),
        |comm| escape::text(comm.as_bytes()),
    );
    let points = change.difference.unwrap_or(0.0) * 100.0;
    let verdict = match change.verdict {
        Verdict::Better => format!("better by {:.1} points", points.abs()),
        Verdict::Worse => format!("worse by {:.1} points", points.abs()),
        Verdict::TooFew => "too few events for a test".to_owned(),
        _ => format!("no significant change ({points:+.1} points)"),
    };
    let test = change.test.map_or_else(String::new, |test| {
        let p = match test.p {
            Some(p) if p < 0.001 => "< 0.001".to_owned(),
            Some(p) => format!("= {p:.3}"),
            None => "unknown".to_owned(),
        };
        format!(
            " ({} of {} and {}, p {p})",
            test.method.in_words(),
            number::grouped(test.n_before),
            number::grouped(test.n_after),
        )
    });
    format!(
        "{subject}: {} of its {of} were local, now {}: {verdict}{test}",
        number::percent_sign(change.before),
        number::percent_sign(change.after),
    )
}
