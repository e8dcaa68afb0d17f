//! The `numactl …` and `taskset …` that a command was started with. Of two numactl the inner one
//! wins, so a fix replaces the options that are there, and never puts others before them.

use crate::model::Name;

/// Subject of an option of numactl(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decides {
    /// The CPUs.
    Cpus,
    /// The memory policy.
    Memory,
    /// A detail of the binding of memory (`--balancing`).
    Detail,
    /// Which CPUs and nodes count (`--all`).
    All,
    /// Something else: the command is no start of a program, or memory of its own is set up.
    Other,
}

/// An option of numactl(8): long name, short name, whether it has a value, what it decides.
type Opt = (&'static str, char, bool, Decides);

/// The options of numactl 2.0.19.
const OPTIONS: [Opt; 26] = [
    ("all", 'a', false, Decides::All),
    ("interleave", 'i', true, Decides::Memory),
    ("weighted-interleave", 'w', true, Decides::Memory),
    ("preferred", 'p', true, Decides::Memory),
    ("preferred-many", 'P', true, Decides::Memory),
    ("membind", 'm', true, Decides::Memory),
    ("localalloc", 'l', false, Decides::Memory),
    ("balancing", 'b', false, Decides::Detail),
    ("cpubind", 'c', true, Decides::Cpus),
    ("cpunodebind", 'N', true, Decides::Cpus),
    ("physcpubind", 'C', true, Decides::Cpus),
    ("show", 's', false, Decides::Other),
    ("hardware", 'H', false, Decides::Other),
    ("shm", 'S', true, Decides::Other),
    ("file", 'f', true, Decides::Other),
    ("offset", 'o', true, Decides::Other),
    ("length", 'L', true, Decides::Other),
    ("strict", 't', false, Decides::Other),
    ("shmmode", 'M', true, Decides::Other),
    ("dump", 'd', false, Decides::Other),
    ("dump-nodes", 'D', false, Decides::Other),
    ("shmid", 'I', true, Decides::Other),
    ("huge", 'u', false, Decides::Other),
    ("touch", 'T', false, Decides::Other),
    ("verify", 'V', false, Decides::Other),
    ("version", 'v', false, Decides::Other),
];

/// The placement that a command was started with, as options of numactl(8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// Options that decide about CPUs.
    pub cpus: Vec<Name>,
    /// Options that decide about memory.
    pub memory: Vec<Name>,
    /// Whether all CPUs and nodes count, and not those of the cpuset only.
    pub all: bool,
}

/// Splits a command into its placement and the program with its arguments. `None` when the prefix
/// is not understood, or starts no program.
pub fn split(words: &[Name]) -> Option<(Prefix, &[Name])> {
    let mut prefix = Prefix::default();
    let mut rest = words;
    loop {
        let (first, after) = rest.split_first()?;
        rest = match base(first) {
            b"numactl" => numactl(after, &mut prefix)?,
            b"taskset" => taskset(after, &mut prefix)?,
            _ => return Some((prefix, rest)),
        };
    }
}

/// Returns whether a word names one of these programs, or a text that starts one.
pub fn mentions(word: &Name) -> bool {
    let bytes = word.as_bytes();
    bytes.windows(7).any(|part| part == b"numactl") || base(word) == b"taskset"
}

/// Returns the last part of a path.
pub fn base(word: &Name) -> &[u8] {
    let mut parts = word.as_bytes().rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default()
}

/// Takes in the options of a numactl; returns what follows them.
fn numactl<'a>(mut words: &'a [Name], prefix: &mut Prefix) -> Option<&'a [Name]> {
    // The inner one decides what it names; the rest is inherited from the outer one.
    let mut inner = Prefix::default();
    while let Some((word, after)) = words.split_first() {
        let bytes = word.as_bytes();
        if !bytes.starts_with(b"-") || bytes == b"-" {
            break;
        }
        words = after;
        if bytes == b"--" {
            break;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let option = by_long_name(name)?;
            words = inner.take(option, value.map(Name::from), words)?;
        } else {
            words = inner.take_short(text.get(1..)?, words)?;
        }
    }
    prefix.replace(inner);
    Some(words)
}

/// Finds an option by its name or a beginning that only it has, as getopt_long(3) does.
fn by_long_name(name: &str) -> Option<&'static Opt> {
    if let Some(exact) = OPTIONS.iter().find(|option| option.0 == name) {
        return Some(exact);
    }
    let mut found = OPTIONS.iter().filter(|option| option.0.starts_with(name));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

impl Prefix {
    /// Takes in short options that may stand in one word: `-aN0`, `-lN 0`.
    fn take_short<'a>(&mut self, text: &str, mut words: &'a [Name]) -> Option<&'a [Name]> {
        for (at, letter) in text.char_indices() {
            let option = OPTIONS.iter().find(|option| option.1 == letter)?;
            let rest = text.get(at + letter.len_utf8()..)?;
            if option.2 {
                // numactl itself strips the `=` of `-m=0` with the rest of a list's syntax.
                let value = (!rest.is_empty()).then(|| Name::from(rest.trim_start_matches('=')));
                return self.take(option, value, words);
            }
            words = self.take(option, None, words)?;
        }
        Some(words)
    }

    fn take<'a>(
        &mut self,
        (long, _, has_value, decides): &Opt,
        value: Option<Name>,
        words: &'a [Name],
    ) -> Option<&'a [Name]> {
        let (value, words) = match (has_value, value) {
            (false, None) => (None, words),
            (false, Some(_)) => return None,
            (true, Some(value)) => (Some(value), words),
            (true, None) => {
                let (value, words) = words.split_first()?;
                (Some(value.clone()), words)
            }
        };
        let option = Name::from(match value {
            Some(value) => [format!("--{long}=").as_bytes(), value.as_bytes()].concat(),
            None => format!("--{long}").into_bytes(),
        });
        match decides {
            Decides::Cpus => self.cpus.push(option),
            Decides::Memory | Decides::Detail => self.memory.push(option),
            Decides::All => self.all = true,
            Decides::Other => return None,
        }
        Some(words)
    }

    /// Takes over what a later prefix decides.
    fn replace(&mut self, inner: Prefix) {
        if !inner.cpus.is_empty() {
            self.cpus = inner.cpus;
        }
        if !inner.memory.is_empty() {
            self.memory = inner.memory;
        }
        self.all |= inner.all;
    }
}

/// Takes in the options of a taskset(1) that starts a program; returns the program.
fn taskset<'a>(mut words: &'a [Name], prefix: &mut Prefix) -> Option<&'a [Name]> {
    let mut is_list = false;
    while let Some((word, after)) = words.split_first() {
        match word.as_bytes() {
            b"-c" | b"--cpu-list" => is_list = true,
            b"-a" | b"--all-tasks" => {}
            b"-ac" | b"-ca" => is_list = true,
            b"--" => {
                words = after;
                break;
            }
            option if option.starts_with(b"-") => return None,
            _ => break,
        }
        words = after;
    }
    let (cpus, program) = words.split_first()?;
    let text = std::str::from_utf8(cpus.as_bytes()).ok()?;
    let list = if is_list {
        text.to_owned()
    } else {
        of_mask(text)?
    };
    prefix.cpus = vec![Name::from(format!("--physcpubind={list}"))];
    Some(program)
}

/// Returns the list of CPUs of a hexadecimal mask; commas may separate groups of digits.
fn of_mask(mask: &str) -> Option<String> {
    let digits = mask.trim_start_matches("0x").replace(',', "");
    let mut cpus = Vec::new();
    for (group, digit) in digits.chars().rev().enumerate() {
        let bits = digit.to_digit(16)?;
        let base = u32::try_from(group).ok()?.checked_mul(4)?;
        cpus.extend(
            (0..4)
                .filter(|bit| bits >> bit & 1 == 1)
                .map(|bit| base + bit),
        );
    }
    (!cpus.is_empty()).then(|| crate::ids::ranges(cpus))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(Vec<String>, Vec<String>, bool, String)> {
        let words: Vec<Name> = line.split(' ').map(Name::from).collect();
        let (prefix, rest) = split(&words)?;
        let text = |names: &[Name]| names.iter().map(|n| n.to_utf8().into_owned()).collect();
        let rest: Vec<String> = text(rest);
        Some((
            text(&prefix.cpus),
            text(&prefix.memory),
            prefix.all,
            rest.join(" "),
        ))
    }

    #[test]
    fn every_form_of_an_option_is_understood() {
        for line in [
            "numactl --cpunodebind=0 --membind=1 nw -m 5",
            "numactl --cpunodebind 0 --membind 1 nw -m 5",
            "/usr/bin/numactl -N 0 -m 1 nw -m 5",
            "numactl -N0 -m1 nw -m 5",
            "numactl -N=0 -m=1 -- nw -m 5",
            "numactl --cpun=0 --mem 1 nw -m 5",
            "numactl -m 0 numactl -N 0 -m 1 nw -m 5",
        ] {
            let (cpus, memory, all, rest) = parsed(line).unwrap();
            assert_eq!(cpus, ["--cpunodebind=0"], "{line}");
            assert_eq!(memory, ["--membind=1"], "{line}");
            assert_eq!((all, rest.as_str()), (false, "nw -m 5"), "{line}");
        }
        for (line, option) in [
            ("numactl -i all nw", "--interleave=all"),
            ("numactl --interleave=0,1 nw", "--interleave=0,1"),
            ("numactl -w 0-1 nw", "--weighted-interleave=0-1"),
            ("numactl -p 1 nw", "--preferred=1"),
            ("numactl --preferred=1 nw", "--preferred=1"),
            ("numactl -P 0-1 nw", "--preferred-many=0-1"),
            ("numactl -l nw", "--localalloc"),
        ] {
            assert_eq!(parsed(line).unwrap().1, [option], "{line}");
        }
        let (cpus, memory, all, _) = parsed("numactl -abm 0 -C 0-3 nw").unwrap();
        assert_eq!(cpus, ["--physcpubind=0-3"]);
        assert_eq!(memory, ["--balancing", "--membind=0"]);
        assert!(all);
    }

    #[test]
    fn taskset_is_the_physical_cpus_of_numactl() {
        for line in ["taskset -c 0,2-3 nw", "taskset 0xd nw", "taskset -a d nw"] {
            let (cpus, _, _, rest) = parsed(line).unwrap();
            assert_eq!(cpus, ["--physcpubind=0,2-3"], "{line}");
            assert_eq!(rest, "nw");
        }
    }

    #[test]
    fn a_prefix_that_starts_nothing_is_not_rewritten() {
        for line in [
            "numactl --show",
            "numactl -N 0",
            "numactl --cpu=0 nw",
            "numactl --unknown nw",
            "numactl --localalloc=1 nw",
            "numactl --shm /x --membind 0",
            "taskset -p 1 77",
            "taskset zz nw",
            "taskset 1",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
        assert_eq!(parsed("./app -m 1").unwrap().3, "./app -m 1");
    }
}
