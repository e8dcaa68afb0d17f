//! Marks the words of a text that changed since the previous text.

use crate::output::format::tone::Tone;

/// Marks changes between two renderings of the same tables. Lines are compared by position, words
/// by column; new lines are not marked.
#[must_use]
pub fn changes(before: &str, now: &str) -> String {
    let mut out = String::with_capacity(now.len() + 64);
    let mut old_lines = before.lines();
    for line in now.lines() {
        match old_lines.next() {
            Some(old) if old != line => mark(&mut out, old, line),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Words are counted from the end: the label in front may contain spaces.
fn mark(out: &mut String, old: &str, line: &str) {
    let old: Vec<&str> = old.split_whitespace().collect();
    let new = line.split_whitespace().count();
    let mut word = 0;
    let mut rest = line;
    while !rest.is_empty() {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let (gap, after) = rest.split_at(spaces);
        out.push_str(gap);
        let end = after.find(' ').unwrap_or(after.len());
        let (text, after) = after.split_at(end);
        let from_end = new.saturating_sub(word);
        let same = old
            .len()
            .checked_sub(from_end)
            .and_then(|index| old.get(index))
            == Some(&text);
        if same || text.is_empty() {
            out.push_str(text);
        } else {
            out.push_str(&Tone::Strong.ansi(text));
        }
        word += 1;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_words_are_marked_and_the_text_is_the_same() {
        let before = "a b     1   2\nsame    3\n";
        let now = "a b     1   7\nsame    3\nnew     4\n";
        let marked = changes(before, now);
        assert_eq!(
            marked,
            "a b     1   \x1b[1m7\x1b[0m\nsame    3\nnew     4\n"
        );
        assert_eq!(marked.replace("\x1b[1m", "").replace("\x1b[0m", ""), now);
    }
}
