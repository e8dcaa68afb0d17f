//! JSON: any value of the model as one document or one line of JSON Lines.
//!
//! serde_json escapes only what JSON requires: not DEL, C1 controls and bidirectional marks. A
//! report is also read with `cat`, so these are `\uNNNN` here: the value is the same, the terminal
//! is safe.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::escape;

/// Writes one value on one line, with a newline: a whole document, and a line of JSON Lines.
///
/// # Errors
/// Errors of the writer; a closed pipe is [`io::ErrorKind::BrokenPipe`].
pub fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Guarded))?;
    out.write_all(b"\n")
}

/// Returns one value as an indented document, with a newline at its end.
///
/// # Errors
/// As [`to_line`].
pub fn to_pretty(value: &impl Serialize) -> io::Result<String> {
    let mut document = String::new();
    for c in serde_json::to_string_pretty(value)?.chars() {
        // Between values there are spaces and newlines, and within them no newlines.
        if c != '\n' && escape::is_hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(document, "\\u{unit:04x}");
            }
        } else {
            document.push(c);
        }
    }
    document.push('\n');
    Ok(document)
}

/// Writes one value as [`write_line`] does, into a string.
///
/// # Errors
/// The value cannot be JSON: a map whose keys are not strings. The model has none.
pub fn to_line(value: &impl Serialize) -> io::Result<String> {
    let mut line = Vec::new();
    write_line(&mut line, value)?;
    String::from_utf8(line).map_err(io::Error::other)
}

/// serde_json's compact form, with hostile characters escaped.
struct Guarded;

impl Formatter for Guarded {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, c) in fragment
            .char_indices()
            .filter(|(_, c)| escape::is_hostile(*c))
        {
            out.write_all(&fragment.as_bytes()[plain_from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain_from = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[plain_from..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_characters_are_escaped_and_the_value_is_the_same() {
        let line = to_line(&"a\u{202e}b\u{7f}\u{1b}[0m\u{e0041}\n").unwrap();
        assert_eq!(line, "\"a\\u202eb\\u007f\\u001b[0m\\udb40\\udc41\\n\"\n");
        assert_eq!(
            serde_json::from_str::<String>(&line).unwrap(),
            "a\u{202e}b\u{7f}\u{1b}[0m\u{e0041}\n"
        );
    }

    #[test]
    fn quantities_that_are_not_numbers_are_null() {
        assert_eq!(to_line(&[f64::NAN, 0.5]).unwrap(), "[null,0.5]\n");
    }

    proptest! {
        #[test]
        fn any_string_is_one_clean_line_and_reads_back(value: String) {
            let line = to_line(&value).unwrap();
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains(escape::is_hostile), "{body:?}");
            prop_assert_eq!(&serde_json::from_str::<String>(body).unwrap(), &value);
            let pretty = to_pretty(&[&value]).unwrap();
            prop_assert!(!pretty.contains(|c| c != '\n' && escape::is_hostile(c)), "{pretty:?}");
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&pretty).unwrap(), [value]);
        }
    }
}
