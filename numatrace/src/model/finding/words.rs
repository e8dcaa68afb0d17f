//! Phrases that findings have in common: lists of nodes, process names, commands that are safe to
//! copy.

use super::away;
use crate::ids::ranges;
use crate::model::{Host, Name, Process, Snapshot, number};

/// Names nodes by their positions in `host.nodes`: `node 1`, `nodes 1 and 3`, `nodes 0-2 and 7`.
pub fn nodes(host: &Host, positions: impl IntoIterator<Item = usize>) -> String {
    let numbers = numbers(host, positions);
    let list = ranges(numbers.iter().copied());
    let noun = if numbers.len() == 1 { "node" } else { "nodes" };
    match list.rsplit_once(',') {
        None => format!("{noun} {list}"),
        Some((first, last)) => format!("{noun} {} and {last}", first.replace(',', ", ")),
    }
}

/// Lists nodes in numactl's syntax.
pub fn node_list(host: &Host, positions: impl IntoIterator<Item = usize>) -> String {
    ranges(numbers(host, positions))
}

/// Returns node numbers, ascending.
fn numbers(host: &Host, positions: impl IntoIterator<Item = usize>) -> Vec<u32> {
    let mut numbers: Vec<u32> = positions
        .into_iter()
        .filter_map(|position| host.nodes.get(position))
        .map(|node| u32::from(node.node.0))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Returns the positions of the nodes that have memory, or whose memory is unknown.
pub fn with_memory(host: &Host) -> impl Iterator<Item = usize> {
    let has = host
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.mem_kb != Some(0));
    has.map(|(position, _)| position)
}

/// Returns the position of the node with most of a process's memory; the node with most of its CPU
/// time when no node has.
pub fn home(host: &Host, process: &Process) -> Option<usize> {
    let named = process.home_node;
    let position = host.nodes.iter().position(|node| Some(node.node) == named);
    position.or_else(|| process.run_ns.as_ref()?.most())
}

/// Says how much of a process's memory is on its home node.
pub fn at_home(host: &Host, process: &Process, home: usize) -> String {
    format!(
        "{} MiB of the {} MiB {} are on {}",
        number::mib(Some(away::at_home(process, home)), host.page_size),
        number::mib(Some(away::pages(process)), host.page_size),
        away::known_by(process),
        nodes(host, [home])
    )
}

/// Returns the home node in numactl's list syntax, `node` when it is not known.
pub fn home_list(host: &Host, process: &Process) -> String {
    home(host, process).map_or_else(|| "node".to_owned(), |home| node_list(host, [home]))
}

/// Names a process: `app (4242)`. Outputs escape the sentence that it is in.
pub fn process(process: &Process) -> String {
    format!("{} ({})", process.comm.to_utf8(), process.pid)
}

/// Returns the command that a fix would start: as it was launched, the executable, or `COMMAND`.
///
/// People paste fixes into a root shell, so a command is repeated only if every shell takes each of
/// its words literally. A command that was launched through numactl is not repeated either: fixes
/// put numactl before it, and of two the inner one wins.
pub fn command(snapshot: &Snapshot, process: &Process) -> String {
    let launched = &snapshot.session.scope.launched;
    let is_launched = snapshot
        .focus()
        .is_some_and(|focus| std::ptr::eq(focus, process));
    let words: &[Name] = if is_launched && !launched.is_empty() {
        launched
    } else {
        process.exe.as_slice()
    };
    let plain: Option<Vec<&str>> = words.iter().map(plain_word).collect();
    match plain {
        Some(words) if !words.is_empty() && !is_numactl(words[0]) => words.join(" "),
        _ => "COMMAND".into(),
    }
}

/// Returns whether a word starts numactl(8).
fn is_numactl(word: &str) -> bool {
    word.rsplit('/').next() == Some("numactl")
}

/// Returns the name, when every shell takes it for one word.
fn plain_word(name: &Name) -> Option<&str> {
    let text = std::str::from_utf8(name.as_bytes()).ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./=:,+@%-".contains(c);
    (!text.is_empty() && text.chars().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_repeats_only_words_that_every_shell_takes_literally() {
        for plain in ["./app", "--threads=2", "/usr/bin/redis-server", "0-3,8"] {
            assert_eq!(plain_word(&Name::from(plain)), Some(plain));
        }
        for trap in [
            "",
            "$(reboot)",
            "a b",
            "a;b",
            "`x`",
            "a\nb",
            "a'b",
            "~root",
            "*",
            "a\u{202e}b",
        ] {
            assert_eq!(plain_word(&Name::from(trap)), None, "{trap:?}");
        }
    }
}
