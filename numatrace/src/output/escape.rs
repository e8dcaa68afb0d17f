//! Makes hostile names safe to show: control characters, ESC, bidirectional marks and bytes that
//! are not UTF-8.
//!
//! Names are escaped once, here, when a format is written; the model keeps the bytes. A backslash
//! stays as it is: systemd's cgroup names are full of `\x2d`, and doubling them would make every
//! such path wrong to copy. A name can imitate an escape, but it can imitate any other name as
//! well; the PID next to it identifies the process.

use std::borrow::Cow;
use std::fmt::Write as _;

pub use crate::model::name::is_hostile;

/// Returns a name for a terminal or a plain text file: one line, no control over the terminal, in
/// reading order. Control characters become `\n`, `\t`, `\r` or `\xNN`, invisible and reordering
/// ones `\u{NNNN}`, bytes that are not UTF-8 `\xNN`.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(is_hostile) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(bytes)),
    }
}

/// Returns a whole output or message: as [`text`], but its lines stay lines. Names in it are
/// escaped one by one, so that none makes a line of its own; this is for those that nobody thought
/// of.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_hostile(c)) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<Cow<'_, str>> = text
        .split('\n')
        .map(|line| self::text(line.as_bytes()))
        .collect();
    Cow::Owned(lines.join("\n"))
}

/// The slow path of [`text`].
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a String cannot fail.
            let _ = match c {
                '\n' => out.write_str("\\n"),
                '\r' => out.write_str("\\r"),
                '\t' => out.write_str("\\t"),
                c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c)),
                c if is_hostile(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
                c => out.write_char(c),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_terminal_sees_no_escape_sequence_newline_or_override() {
        assert_eq!(text(b"\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
        assert_eq!(text(b"a\nb\tc\rd\x7f"), "a\\nb\\tc\\rd\\x7f");
        assert_eq!(text("x\u{202e}gpj.exe".as_bytes()), "x\\u{202e}gpj.exe");
        assert_eq!(text("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(text(b"\xff\xc3("), "\\xff\\xc3(");
    }

    #[test]
    fn lines_of_a_message_stay_lines() {
        assert_eq!(lines("a\x1bb\n\u{202e}c\n"), "a\\x1bb\n\\u{202e}c\n");
        assert!(matches!(
            lines("a\n  hint: b"),
            Cow::Borrowed("a\n  hint: b")
        ));
    }

    #[test]
    fn ordinary_names_of_any_script_stay_as_they_are() {
        for name in [
            "postgres: walwriter",
            "dev-disk-by\\x2duuid",
            "пример",
            "例",
            "naïve",
        ] {
            assert!(
                matches!(text(name.as_bytes()), Cow::Borrowed(same) if same == name),
                "{name}"
            );
        }
    }

    /// Printable text, or a run of what must never be printed.
    const CHARACTERS: &str =
        "\\PC*|[\\x00-\\x1f\\u{7f}-\\u{9f}\\u{2000}-\\u{206f}\\u{e0000}-\\u{e007f}]*";

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_hostile_comes_out(bytes: Vec<u8>) {
            let shown = text(&bytes);
            prop_assert!(!shown.contains(is_hostile), "{shown:?}");
            prop_assert_eq!(text(shown.as_bytes()), shown.clone(), "escaping is idempotent");
        }

        #[test]
        fn whatever_the_characters_nothing_hostile_comes_out(name in CHARACTERS) {
            prop_assert!(!text(name.as_bytes()).contains(is_hostile));
        }
    }
}
