//! Which hooks of the table a session wants: all, just some, or all with some added and left out.
//!
//! `--hooks a,b` is a list, `--hooks +a,-b` changes the default. Hooks that a wanted hook needs are
//! added, and hooks that need a hook that is left out are left out too; a remark reports either.

use std::collections::BTreeSet;

use super::catalog::{HOOKS, Row};

/// The hooks asked for, completed by their needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    left_out: BTreeSet<&'static str>,
    forced: BTreeSet<&'static str>,
    /// Sentences about hooks that were added or left out beyond the request.
    pub remarks: Vec<String>,
}

/// Why a list of hooks is no selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No hook has that name.
    #[error("there is no hook {0:?}")]
    Unknown(String),
    /// Some names have a sign and some have none.
    #[error("hooks are either listed (a,b) or added and left out (+a,-b), not both")]
    Mixed,
    /// A hook is wanted and one that it needs is left out.
    #[error("{hook} needs {needs}, which is left out")]
    Needed {
        /// The wanted hook.
        hook: &'static str,
        /// The hook it needs.
        needs: &'static str,
    },
    /// A hook is both added and left out.
    #[error("{0} is both added and left out")]
    Both(&'static str),
    /// The hook is part of every session.
    #[error("{0} cannot be left out: names and scope depend on it")]
    Always(&'static str),
    /// The hook has no fallback to force.
    #[error("{0} has no fallback")]
    NoFallback(&'static str),
}

impl Selection {
    /// Reads the list as typed; an empty list is the default: all hooks but those on request.
    ///
    /// # Errors
    /// An unknown name, or requests that exclude each other.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, SelectionError> {
        let words: Vec<(Option<char>, &'static Row)> = words
            .iter()
            .map(|word| word.as_ref().trim())
            .filter(|word| !word.is_empty())
            .map(signed)
            .collect::<Result<_, _>>()?;
        let signs = words.iter().filter(|(sign, _)| sign.is_some()).count();
        if signs != 0 && signs != words.len() {
            return Err(SelectionError::Mixed);
        }
        let named: BTreeSet<&'static str> = words
            .iter()
            .filter(|(sign, _)| *sign != Some('-'))
            .map(|(_, row)| row.hook)
            .collect();
        if words.is_empty() {
            return Self::without(&named, on_request(&named));
        }
        if signs == 0 {
            return Ok(Self::just(&named));
        }
        let dropped: BTreeSet<&'static str> = words
            .iter()
            .filter(|(sign, _)| *sign == Some('-'))
            .map(|(_, row)| row.hook)
            .collect();
        let all = dropped.into_iter().chain(on_request(&named));
        Self::without(&named, all.collect())
    }

    /// Returns the selection of these hooks and the ones they need.
    fn just(named: &BTreeSet<&'static str>) -> Self {
        let mut wanted = named.clone();
        let mut remarks = Vec::new();
        // The table is not sorted by needs, so repeat until nothing is added any more.
        while let Some((row, needs)) = lacking(&wanted) {
            wanted.insert(needs);
            remarks.push(format!("{needs} is attached too: {} needs it", row.hook));
        }
        for row in HOOKS
            .iter()
            .filter(|row| row.always && !wanted.contains(row.hook))
        {
            remarks.push(format!(
                "{} is attached too: names and scope depend on it",
                row.hook
            ));
        }
        Self {
            left_out: HOOKS
                .iter()
                .filter(|row| !row.always && !wanted.contains(row.hook))
                .map(|row| row.hook)
                .collect(),
            remarks,
            ..Self::default()
        }
    }

    /// Returns the selection of all hooks but the dropped ones and the ones that need those.
    fn without(
        named: &BTreeSet<&'static str>,
        dropped: BTreeSet<&'static str>,
    ) -> Result<Self, SelectionError> {
        if let Some(row) = HOOKS
            .iter()
            .find(|row| row.always && dropped.contains(row.hook))
        {
            return Err(SelectionError::Always(row.hook));
        }
        if let Some(hook) = named.intersection(&dropped).next() {
            return Err(SelectionError::Both(hook));
        }
        let mut left_out = dropped;
        let mut remarks = Vec::new();
        loop {
            let next = HOOKS
                .iter()
                .filter(|row| !left_out.contains(row.hook))
                .find_map(|row| Some((row, row.needs.iter().find(|n| left_out.contains(*n))?)));
            let Some((row, needs)) = next else { break };
            if named.contains(row.hook) {
                return Err(SelectionError::Needed {
                    hook: row.hook,
                    needs,
                });
            }
            left_out.insert(row.hook);
            remarks.push(format!("{} is left out too: it needs {needs}", row.hook));
        }
        Ok(Self {
            left_out,
            remarks,
            ..Self::default()
        })
    }

    /// Makes hooks use their fallback, although their exact probes might attach: for tests of the
    /// fallbacks.
    ///
    /// # Errors
    /// An unknown name, or a hook without a fallback.
    pub fn force_fallback<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self, SelectionError> {
        for name in names {
            let row = find(name.as_ref())?;
            if row.fallback.is_empty() {
                return Err(SelectionError::NoFallback(row.hook));
            }
            self.forced.insert(row.hook);
        }
        Ok(self)
    }

    /// Returns whether this hook is wanted.
    #[must_use]
    pub fn has(&self, hook: &str) -> bool {
        !self.left_out.contains(hook)
    }

    /// Returns whether a hook must use its fallback, whatever the kernel allows.
    #[must_use]
    pub fn is_forced(&self, hook: &str) -> bool {
        self.forced.contains(hook)
    }
}

/// Returns the hooks that only a request attaches, but for those that are named.
fn on_request(named: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    HOOKS
        .iter()
        .filter(|row| row.on_request && !named.contains(row.hook))
        .map(|row| row.hook)
        .collect()
}

/// Returns a wanted hook and a hook that it needs and that is not wanted yet.
fn lacking(wanted: &BTreeSet<&'static str>) -> Option<(&'static Row, &'static str)> {
    HOOKS
        .iter()
        .filter(|row| wanted.contains(row.hook))
        .find_map(|row| Some((row, *row.needs.iter().find(|n| !wanted.contains(*n))?)))
}

/// Splits a word into its sign and its row.
fn signed(word: &str) -> Result<(Option<char>, &'static Row), SelectionError> {
    let sign = word.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let name = word.trim_start_matches(|c| Some(c) == sign);
    Ok((sign, find(name)?))
}

fn find(name: &str) -> Result<&'static Row, SelectionError> {
    HOOKS
        .iter()
        .find(|row| row.hook == name)
        .ok_or_else(|| SelectionError::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attach::catalog::{
        HUGETLB_FAULT, PAGE_ALLOC, PAGE_FAULT, POLICY_REFUSED, POLICY_SECCOMP, TASK_LIFE,
        TASK_MOVE, TASK_RUN,
    };

    fn has(selection: &Selection) -> Vec<&'static str> {
        HOOKS
            .iter()
            .map(|row| row.hook)
            .filter(|hook| selection.has(hook))
            .collect()
    }

    #[test]
    fn an_empty_request_is_all_hooks_but_those_on_request() {
        let all = Selection::parse::<&str>(&[]).unwrap();
        assert_eq!(has(&all).len(), HOOKS.len() - 1);
        assert!(!all.has(POLICY_SECCOMP) && all.remarks.is_empty());
        let more = Selection::parse(&["+policy_seccomp"]).unwrap();
        assert_eq!(has(&more).len(), HOOKS.len());
        let just = Selection::parse(&["policy_seccomp"]).unwrap();
        assert_eq!(has(&just), [TASK_LIFE, POLICY_REFUSED, POLICY_SECCOMP]);
    }

    #[test]
    fn a_list_is_just_these_and_what_they_need_and_says_so() {
        let moves = Selection::parse(&["task_move"]).unwrap();
        assert_eq!(has(&moves), [TASK_LIFE, TASK_MOVE]);
        assert_eq!(moves.remarks.len(), 1);
        let touch = Selection::parse(&["page_fault_hugetlb"]).unwrap();
        assert_eq!(
            has(&touch),
            [TASK_LIFE, PAGE_ALLOC, PAGE_FAULT, HUGETLB_FAULT]
        );
        assert!(
            touch
                .remarks
                .iter()
                .any(|line| line == "page_alloc is attached too: page_fault needs it"),
            "{:?}",
            touch.remarks
        );
    }

    #[test]
    fn signs_change_the_default_and_dependants_are_left_out_too() {
        let less = Selection::parse(&["-task_run", "+task_move"]).unwrap();
        assert_eq!(has(&less).len(), HOOKS.len() - 2);
        assert!(!less.has(TASK_RUN) && less.remarks.is_empty());
        let cheap = Selection::parse(&["-page_alloc"]).unwrap();
        assert!(!cheap.has(PAGE_FAULT) && !cheap.has(HUGETLB_FAULT) && cheap.has(TASK_MOVE));
        assert!(
            cheap
                .remarks
                .contains(&"page_fault is left out too: it needs page_alloc".to_owned())
        );
    }

    #[test]
    fn requests_that_exclude_each_other_are_refused() {
        let refused = |words: &[&str]| Selection::parse(words).unwrap_err();
        assert_eq!(
            refused(&["page_aloc"]),
            SelectionError::Unknown("page_aloc".into())
        );
        assert_eq!(refused(&["task_move", "-task_run"]), SelectionError::Mixed);
        assert_eq!(
            refused(&["+page_fault", "-page_alloc"]),
            SelectionError::Needed {
                hook: PAGE_FAULT,
                needs: PAGE_ALLOC
            }
        );
        assert_eq!(refused(&["-task_life"]), SelectionError::Always(TASK_LIFE));
        assert_eq!(
            refused(&["+task_run", "-task_run"]),
            SelectionError::Both(TASK_RUN)
        );
    }

    #[test]
    fn only_a_hook_with_a_fallback_can_be_put_on_it() {
        let forced = Selection::default().force_fallback(&[TASK_MOVE]).unwrap();
        assert!(
            forced.is_forced(TASK_MOVE) && forced.has(TASK_MOVE) && !forced.is_forced(TASK_RUN)
        );
        assert_eq!(
            Selection::default().force_fallback(&["hint_fault"]),
            Err(SelectionError::NoFallback("hint_fault"))
        );
    }

    proptest! {
        #[test]
        fn every_wanted_hook_has_the_hooks_it_needs(
            words in proptest::collection::vec((0..3usize, 0..HOOKS.len()), 0..6)
        ) {
            let words: Vec<String> = words
                .into_iter()
                .map(|(sign, row)| format!("{}{}", ["", "+", "-"][sign], HOOKS[row].hook))
                .collect();
            if let Ok(selection) = Selection::parse(&words) {
                for row in HOOKS.iter().filter(|row| selection.has(row.hook)) {
                    for needs in row.needs {
                        prop_assert!(selection.has(needs), "{} without {}", row.hook, needs);
                    }
                }
                let mut always = HOOKS.iter().filter(|row| row.always);
                prop_assert!(always.all(|row| selection.has(row.hook)));
            }
        }
    }
}
