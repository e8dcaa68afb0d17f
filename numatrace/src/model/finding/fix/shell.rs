//! Commands for a shell: people paste them, so every word arrives as it is, and no name that a
//! stranger chose is run.

use crate::model::{Name, name::is_hostile};

/// Stands for a command that is not known or cannot be printed.
pub const COMMAND: &str = "COMMAND";

/// Stands for arguments that are not known.
pub const ARGUMENTS: &str = "ARGUMENTS…";

/// Words that begin something other than a command when a shell meets them first.
const RESERVED: [&str; 19] = [
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for",
    "in", "select", "function", "time", "coproc", "end", "repeat",
];

/// Returns a word as a shell reads it: plain, or in single quotes. `None` when it cannot be
/// printed: a control character, an invisible one, or bytes that are not UTF-8 do not survive a
/// terminal.
pub fn word(name: &Name) -> Option<String> {
    let text = std::str::from_utf8(name.as_bytes()).ok()?;
    if text.contains(is_hostile) {
        return None;
    }
    // zsh expands a word that begins with `=`.
    if is_plain(text) && !text.starts_with('=') {
        return Some(text.to_owned());
    }
    Some(quoted(text))
}

/// Returns the first word of a command as a shell reads it: no assignment, no job, no keyword.
fn first(name: &Name) -> Option<String> {
    let printed = word(name)?;
    let is_special = printed.contains('=')
        || printed.starts_with(['%', '-', '+', '@'])
        || RESERVED.contains(&printed.as_str());
    Some(if is_special && is_plain(&printed) {
        quoted(&printed)
    } else {
        printed
    })
}

/// Returns a command line; `None` when a word cannot be printed.
pub fn line<'a>(words: impl IntoIterator<Item = &'a Name>) -> Option<String> {
    let mut words = words.into_iter();
    let start = first(words.next()?)?;
    let rest = words.map(word);
    let all: Option<Vec<String>> = std::iter::once(Some(start)).chain(rest).collect();
    Some(all?.join(" "))
}

/// Returns whether every shell takes the text for one literal word.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./=:,+@%-".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        for plain in ["./app", "--threads=2", "/usr/bin/redis-server", "0-3,8"] {
            assert_eq!(word(&Name::from(plain)).as_deref(), Some(plain));
        }
        for (trap, printed) in [
            ("", "''"),
            ("$(reboot)", "'$(reboot)'"),
            ("a b", "'a b'"),
            ("a;b", "'a;b'"),
            ("`x`", "'`x`'"),
            ("a'b", r"'a'\''b'"),
            ("~root", "'~root'"),
            ("*", "'*'"),
            ("=ls", "'=ls'"),
            ("naïve", "'naïve'"),
        ] {
            assert_eq!(
                word(&Name::from(trap)).as_deref(),
                Some(printed),
                "{trap:?}"
            );
        }
    }

    #[test]
    fn what_does_not_survive_a_terminal_is_not_printed() {
        for trap in [&b"a\nb"[..], b"\x1b[31m", b"\xff", "a\u{202e}b".as_bytes()] {
            assert_eq!(word(&Name::from(trap)), None, "{trap:?}");
        }
    }

    #[test]
    fn the_first_word_is_a_command() {
        for trap in ["A=b", "%1", "if", "time"] {
            let printed = line([&Name::from(trap)]).unwrap();
            assert_eq!(printed, format!("'{trap}'"));
        }
    }

    /// Returns the words that a POSIX shell makes of a text.
    fn split(line: &str) -> Vec<String> {
        let script = format!("printf '%s\\0' {line}");
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(out.status.success(), "{script}");
        let text = String::from_utf8(out.stdout).unwrap();
        let words = text.strip_suffix('\0').unwrap().split('\0');
        words.map(str::to_owned).collect()
    }

    /// Words of any characters, of ASCII, and of what means something to a shell.
    const WORDS: &str = "\\PC{0,12}|[ -~]{0,12}|['\"$`\\\\ ;&|*?~#!=-]{0,6}";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_shell_gives_the_words_back(
            argv in proptest::collection::vec(WORDS, 1..6)
        ) {
            let names: Vec<Name> = argv.iter().map(|word| Name::from(word.as_str())).collect();
            if let Some(line) = line(&names) {
                prop_assert!(!line.contains(is_hostile));
                prop_assert_eq!(split(&line), argv);
            } else {
                prop_assert!(argv.iter().any(|word| word.contains(is_hostile)));
            }
        }
    }
}
