//! Words that people type by mistake, and the command line that they mean.

use std::ffi::OsString;

use clap::{
    Command,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use strsim::osa_distance;

/// Most letters in which an option may differ from the one that was meant.
const TYPOS: usize = 2;

/// Puts the default command in front of options that stand alone: `numatrace -p 1` is
/// `numatrace top -p 1`. What only numatrace itself answers stays as it is.
pub fn with_default_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let own = ["-h", "--help", "-V", "--version"];
    let first = words.get(1).and_then(|word| word.to_str());
    if first.is_some_and(|first| first.starts_with('-') && !own.contains(&first)) {
        words.insert(1, "top".into());
    }
    words
}

/// Adds what was probably meant to an error about a word that has no place.
pub fn explained(mut error: Error, cli: &Command, words: &[String]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let Some(command) = words.get(1).and_then(|name| cli.find_subcommand(name)) else {
        return error;
    };
    let meant = if word.starts_with("--") {
        option(command, word)
    } else {
        program(command.get_name(), word, words)
    };
    if let Some(meant) = meant {
        // clap's own tip is about passing an option to the command, which nobody tries here.
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![meant.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// Returns the option that is spelled almost like `word`.
fn option(command: &Command, word: &str) -> Option<String> {
    let name = word.trim_start_matches('-');
    let options = command.get_arguments().filter(|one| !one.is_hide_set());
    let near = options
        .filter_map(|one| one.get_long())
        .map(|long| (osa_distance(long, name), long));
    let (_, long) = near.filter(|(typos, _)| *typos <= TYPOS).min()?;
    Some(format!("a similar option exists: --{long}"))
}

/// Returns the line that runs a program, where its words stand without the dashes.
fn program(command: &str, word: &str, words: &[String]) -> Option<String> {
    if !["trace", "record"].contains(&command) || word.starts_with('-') {
        return None;
    }
    let at = words.iter().position(|one| one == word)?;
    let (options, program) = words.split_at(at);
    Some(format!(
        "to trace a program, put -- before it: numatrace {} -- {}",
        options.get(1..)?.join(" "),
        program.join(" ")
    ))
}
