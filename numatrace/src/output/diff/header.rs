//! What was compared, the one number, and what to know before comparing.

use super::cells;
use crate::model::diff::{Diff, Headline, Side, Verdict};
use crate::model::number;
use crate::output::escape;
use crate::output::text::header::scope;
use crate::output::text::page::{Page, Tone};

/// Writes the two sessions, the headline and the notes.
pub fn write(page: &mut Page<'_>, diff: &Diff) {
    for (word, side) in [("before", &diff.before), ("after ", &diff.after)] {
        page.wrapped(None, &format!("{word}  "), "        ", &session(side));
    }
    page.gap();
    match &diff.headline {
        Some(headline) => {
            let tone = cells::tone(headline.change.verdict).unwrap_or(Tone::Strong);
            page.wrapped(Some(tone), "", "  ", &sentence(headline));
        }
        None => page.wrapped(
            Some(Tone::Warn),
            "",
            "  ",
            "there is no one number: neither allocations nor sampled accesses were counted in both sessions",
        ),
    }
    if !diff.notes.is_empty() {
        page.section("Before comparing");
        for note in &diff.notes {
            page.item(Some(Tone::Warn), &escape::text(note.as_bytes()));
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

/// `app: 1.3 % of sampled accesses were local, then 98.7 %: better by 97.4 points (…)`.
fn sentence(headline: &Headline) -> String {
    let change = &headline.change;
    let of = match headline.quantity {
        "local_access_share" => "sampled accesses",
        _ => "allocations",
    };
    let who = headline.comm.as_ref().map_or_else(
        || "the machine".into(),
        |comm| escape::text(comm.as_bytes()),
    );
    let points = change.difference.unwrap_or(0.0) * 100.0;
    let verdict = match change.verdict {
        Verdict::Better => format!("better by {:.1} points", points.abs()),
        Verdict::Worse => format!("worse by {:.1} points", points.abs()),
        Verdict::TooFew => "too few to tell from chance".to_owned(),
        _ => format!("no change to speak of ({points:+.1} points)"),
    };
    let test = change.test.map_or_else(String::new, |test| {
        format!(
            " ({} of {} and {}, p {})",
            test.method.in_words(),
            number::grouped(test.n_before),
            number::grouped(test.n_after),
            match test.p {
                Some(p) if p < 0.001 => "< 0.001".to_owned(),
                Some(p) => format!("= {p:.3}"),
                None => "unknown".to_owned(),
            }
        )
    });
    format!(
        "{who}: {} % of its {of} were local, now {} %: {verdict}{test}",
        number::percent(change.before),
        number::percent(change.after),
    )
}
