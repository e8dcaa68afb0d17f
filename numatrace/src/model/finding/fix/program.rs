//! The program of a process, to be started again: its words as far as they are known.

use super::is_launched;
use super::prefix::{self, Prefix};
use super::shell::{self, ARGUMENTS, COMMAND};
use crate::model::{Name, Process, Snapshot};

/// A program to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The placement that it was started with.
    pub prefix: Prefix,
    /// The program and its arguments for a shell; [`COMMAND`] when they are not known.
    pub line: String,
    /// Words that the reader has to put for a placeholder; empty without one.
    pub note: String,
}

/// Returns the program of a process: as it was launched, or as `/proc` had it.
pub fn of(snapshot: &Snapshot, process: Option<&Process>) -> Program {
    let Some(process) = process else {
        return unknown("the program to start");
    };
    if is_launched(snapshot, process) {
        return launched(&snapshot.session.scope.launched);
    }
    let Some(path) = path(process) else {
        return unknown("its program and arguments, which are not known");
    };
    let args = process.args.as_deref().and_then(arguments);
    let rest = args.unwrap_or_default();
    if std::iter::once(&path).chain(rest).any(prefix::mentions) {
        return unknown("its command, with these options instead of those that are in it");
    }
    let words = std::iter::once(&path).chain(rest);
    let Some(mut line) = shell::line(words) else {
        return unprintable();
    };
    let mut note = String::new();
    if args.is_none() || process.args_cut == Some(true) {
        let what = if args.is_none() { "its" } else { "the other" };
        line = format!("{line} {ARGUMENTS}");
        note = format!("{ARGUMENTS} stands for {what} arguments, which are not known");
    }
    Program {
        prefix: Prefix::default(),
        line,
        note,
    }
}

/// Returns the launched program, without the placement before it.
fn launched(words: &[Name]) -> Program {
    let split = prefix::split(words);
    let split = split.filter(|(_, program)| !program.iter().any(prefix::mentions));
    let Some((prefix, program)) = split else {
        return unknown("the traced command, with these options instead of those that are in it");
    };
    match shell::line(program) {
        Some(line) => Program {
            prefix,
            line,
            note: String::new(),
        },
        None => Program {
            prefix,
            ..unprintable()
        },
    }
}

/// Returns the path to start a process by: its executable, or the name it was started by where one
/// executable is many programs (busybox, python3).
fn path(process: &Process) -> Option<Name> {
    let exe = process.exe.as_ref();
    let exe = exe.filter(|exe| !exe.as_bytes().ends_with(b" (deleted)"));
    let named = process.args.as_deref().and_then(arguments);
    let zeroth = named.and_then(|_| process.args.as_ref()?.first());
    let absolute = zeroth.filter(|name| name.as_bytes().starts_with(b"/"));
    let bare = zeroth.filter(|name| !name.as_bytes().contains(&b'/'));
    match exe {
        None => absolute.cloned(),
        Some(exe) if zeroth.is_some_and(|name| prefix::base(name) == prefix::base(exe)) => {
            Some(absolute.unwrap_or(exe).clone())
        }
        Some(exe) => Some(absolute.or(bare).unwrap_or(exe).clone()),
    }
}

/// Returns the arguments after the program's name. `None` where a program wrote a title over them,
/// and for a login shell, whose name is no command.
fn arguments(args: &[Name]) -> Option<&[Name]> {
    let (first, rest) = args.split_first()?;
    let bytes = first.as_bytes();
    let is_title = bytes.is_empty() || bytes.contains(&b' ') || bytes.contains(&b':');
    (!is_title && !bytes.starts_with(b"-")).then_some(rest)
}

fn unknown(what: &str) -> Program {
    Program {
        prefix: Prefix::default(),
        line: COMMAND.to_owned(),
        note: format!("{COMMAND} stands for {what}"),
    }
}

fn unprintable() -> Program {
    unknown("its command, which has characters that cannot be printed")
}
