//! The parser of node and CPU lists: the kernel's (`0-3,8`) and numactl's, which adds `!`, `+`,
//! `all` and `same`.
//!
//! | form | means |
//! |---|---|
//! | `0,2-3` | these numbers |
//! | `2-5:4/2` | the kernel's groups: in 2 to 5, the first 2 of each 4 |
//! | `!1` at the start | all allowed numbers except the whole list that follows, as in numactl |
//! | `0-3,!1` | removes an item from the ones before it |
//! | `+0-1` at the start | the first two *allowed* ones: the whole list counts positions |
//! | `0,+1` | one item counted by position |
//! | `all` | every allowed one |
//! | `same` | the list of the previous option, where there is one |

use std::collections::BTreeSet;

use thiserror::Error;

use crate::ids::ranges;

/// The largest number accepted. Kernels have at most 8192 CPUs and 1024 nodes, so a larger number
/// is a typing error.
const LARGEST: u32 = 65_535;

/// A mistake in a list, and its position.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("in list {text:?} at position {}: {what}", at + 1)]
pub struct ListError {
    /// The list as it was given.
    pub text: String,
    /// Byte offset of the mistake in it.
    pub at: usize,
    /// The mistake, for a person.
    pub what: String,
}

/// The context that resolves a list in numactl's syntax.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListContext<'a> {
    /// The allowed numbers, ascending: `all`, `!` and `+` refer to them, and other numbers are
    /// refused.
    pub allowed: &'a [u32],
    /// The meaning of `same`; `None` where there is no earlier list.
    pub same: Option<&'a [u32]>,
}

/// Parses the kernel's list format as sysfs and /proc print it, which may be empty. Returns the
/// numbers ascending, without repeats.
pub fn parse_kernel(text: &str) -> Result<Vec<u32>, ListError> {
    let mut cursor = Cursor {
        text: text.trim_end(),
        at: 0,
    };
    let mut numbers = BTreeSet::new();
    if cursor.text.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        numbers.extend(cursor.range()?);
        if !cursor.eat(',') {
            break;
        }
    }
    cursor.end()?;
    Ok(numbers.into_iter().collect())
}

/// Parses and resolves a list in numactl's syntax. Returns the numbers ascending, without repeats,
/// at least one.
pub fn parse_numactl(text: &str, context: ListContext<'_>) -> Result<Vec<u32>, ListError> {
    let mut cursor = Cursor { text, at: 0 };
    let invert = cursor.eat('!');
    let all_relative = cursor.eat('+');
    let mut chosen = BTreeSet::new();
    loop {
        let exclude = cursor.eat('!');
        let relative = cursor.eat('+') || all_relative;
        let at = cursor.at;
        let item: Vec<u32> = if cursor.eat_word("all") {
            context.allowed.to_vec()
        } else if cursor.eat_word("same") {
            context
                .same
                .ok_or_else(|| cursor.error(at, "`same` needs an earlier list to refer to"))?
                .to_vec()
        } else {
            let numbers = cursor.range()?;
            let resolved = numbers
                .into_iter()
                .map(|number| resolve(number, relative, context.allowed));
            resolved
                .collect::<Result<_, _>>()
                .map_err(|what| cursor.error(at, &what))?
        };
        for number in item {
            if exclude {
                chosen.remove(&number);
            } else {
                chosen.insert(number);
            }
        }
        if !cursor.eat(',') {
            break;
        }
    }
    cursor.end()?;
    if invert {
        chosen = context
            .allowed
            .iter()
            .copied()
            .filter(|number| !chosen.contains(number))
            .collect();
    }
    if chosen.is_empty() {
        return Err(cursor.error(0, "nothing is left of this list"));
    }
    Ok(chosen.into_iter().collect())
}

/// Resolves a number as typed; returns the error text for one that is not allowed.
fn resolve(number: u32, relative: bool, allowed: &[u32]) -> Result<u32, String> {
    if relative {
        return usize::try_from(number)
            .ok()
            .and_then(|index| allowed.get(index))
            .copied()
            .ok_or_else(|| {
                format!(
                    "+{number} is beyond the {} there are ({})",
                    allowed.len(),
                    ranges(allowed.iter().copied())
                )
            });
    }
    if allowed.contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "there is no {number} here, only {}",
            ranges(allowed.iter().copied())
        ))
    }
}

/// The parser's position in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, at: usize, what: &str) -> ListError {
        ListError {
            text: self.text.chars().take(200).collect(),
            at,
            what: what.to_owned(),
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|after| after.is_empty() || after.starts_with(','));
        if found {
            self.at += word.len();
        }
        found
    }

    fn end(&self) -> Result<(), ListError> {
        match self.rest().chars().next() {
            None => Ok(()),
            Some(unexpected) => Err(self.error(self.at, &format!("unexpected {unexpected:?}"))),
        }
    }

    fn number(&mut self) -> Result<u32, ListError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let at = self.at;
        let text = self.rest().get(..digits).unwrap_or_default();
        if text.is_empty() {
            return Err(match self.rest().chars().next() {
                Some(found) => self.error(at, &format!("expected a number, found {found:?}")),
                None => self.error(at, "expected a number, found the end"),
            });
        }
        let number = text.parse().ok().filter(|&number| number <= LARGEST);
        let number = number.ok_or_else(|| self.error(at, &format!("larger than {LARGEST}")))?;
        self.at += digits;
        Ok(number)
    }

    /// Reads `5`, `2-5`, or the kernel's grouped `2-5:used/group`.
    fn range(&mut self) -> Result<Vec<u32>, ListError> {
        let at = self.at;
        let first = self.number()?;
        if !self.eat('-') {
            return Ok(vec![first]);
        }
        let last = self.number()?;
        if last < first {
            return Err(self.error(at, &format!("{first}-{last} runs backwards")));
        }
        if !self.eat(':') {
            return Ok((first..=last).collect());
        }
        let used = self.number()?;
        if !self.eat('/') {
            return Err(self.error(self.at, "expected `/` and a group size"));
        }
        let group = self.number()?;
        if group == 0 || used == 0 || used > group {
            return Err(self.error(at, &format!("cannot take {used} of each {group}")));
        }
        Ok((first..=last)
            .filter(|number| (number - first) % group < used)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numactl(text: &str) -> Result<Vec<u32>, String> {
        let context = ListContext {
            allowed: &[0, 1, 2, 3, 8],
            same: Some(&[2, 3]),
        };
        parse_numactl(text, context).map_err(|error| error.to_string())
    }

    #[test]
    fn the_kernels_lists_read_as_the_kernel_means_them() {
        assert_eq!(parse_kernel("\n"), Ok(vec![]));
        assert_eq!(
            parse_kernel("0-3,8,10-11\n"),
            Ok(vec![0, 1, 2, 3, 8, 10, 11])
        );
        assert_eq!(parse_kernel("0-7:2/4"), Ok(vec![0, 1, 4, 5]));
        assert!(parse_kernel("3-1").is_err());
        assert!(parse_kernel("0,,1").is_err());
        assert!(parse_kernel("0-4294967295").is_err());
        assert!(parse_kernel("all").is_err());
    }

    #[test]
    fn numactls_forms_read_as_numactl_means_them() {
        assert_eq!(numactl("0,2-3"), Ok(vec![0, 2, 3]));
        assert_eq!(numactl("!1"), Ok(vec![0, 2, 3, 8]));
        assert_eq!(
            numactl("!0-1,8"),
            Ok(vec![2, 3]),
            "a leading ! inverts the whole list"
        );
        assert_eq!(numactl("0-3,!1"), Ok(vec![0, 2, 3]));
        assert_eq!(
            numactl("+4"),
            Ok(vec![8]),
            "+ counts positions among the allowed"
        );
        assert_eq!(numactl("+0,4"), Ok(vec![0, 8]));
        assert_eq!(numactl("0,+4"), Ok(vec![0, 8]));
        assert_eq!(numactl("all"), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(numactl("same"), Ok(vec![2, 3]));
        assert_eq!(numactl("all,!8"), Ok(vec![0, 1, 2, 3]));
    }

    #[test]
    fn the_error_of_a_list_has_a_position_and_the_allowed_numbers() {
        assert_eq!(
            numactl("0,9").unwrap_err(),
            "in list \"0,9\" at position 3: there is no 9 here, only 0-3,8".to_owned()
        );
        assert!(numactl("+5").unwrap_err().contains("beyond the 5"));
        assert!(numactl("").unwrap_err().contains("expected a number"));
        assert!(numactl("!all").unwrap_err().contains("nothing is left"));
        assert!(numactl("allx").is_err());
        assert!(
            parse_numactl(
                "same",
                ListContext {
                    allowed: &[0],
                    same: None
                }
            )
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,24}|[0-9,!+:/-]{0,24}") {
            let _ = parse_kernel(&text);
            let _ = numactl(&text);
        }

        #[test]
        fn a_printed_list_reads_back(
            numbers in proptest::collection::btree_set(0u32..300, 0..40)
        ) {
            let printed = ranges(numbers.iter().copied());
            let numbers: Vec<u32> = numbers.into_iter().collect();
            prop_assert_eq!(parse_kernel(&printed).unwrap(), numbers);
        }
    }
}
