//! The language of `--fail-if` and `--alert`: conditions over named values, such as
//! `remote_share > 5% and numa_miss/s > 1k`.
//!
//! - value: a name, `name/s` for the rate per second, `proc(redis).name`, `node(1).name`;
//! - number: `5`, `0.5`, `5%` (0.05), `10k`, `2M`, `3G` (powers of 1000), `4KiB`, `2MiB`, `1GiB`
//!   (bytes), `10ms`, `2s` (seconds);
//! - arithmetic: `+ - * /` and parentheses;
//! - comparison: `> >= < <= == !=`;
//! - logic: `and` `or` `not`, also `&&` `||` `!`.
//!
//! The parser checks every name against the command's vocabulary, so a typing error is found before
//! a session starts. A condition that depends on a value that is missing is unknown: neither true
//! nor false.

mod evaluate;
mod lexer;
mod parser;

use std::fmt;

pub use evaluate::Outcome;

use crate::model::name::is_hostile;

/// A parsed condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    text: String,
    root: Node,
}

/// A named value that an expression refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The subject, when it is not the machine: `proc(redis)` is `("proc", "redis")`.
    pub of: Option<(String, String)>,
    /// The value's name.
    pub name: String,
    /// True for the rate per second: `name/s`.
    pub per_second: bool,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((kind, which)) = &self.of {
            write!(f, "{kind}({which}).")?;
        }
        write!(
            f,
            "{}{}",
            self.name,
            if self.per_second { "/s" } else { "" }
        )
    }
}

/// A mistake in an expression, with its place. `Display` writes several lines with a caret under
/// the mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The expression.
    pub text: String,
    /// Byte offset of the mistake.
    pub at: usize,
    /// The mistake in words.
    pub what: String,
}

impl std::error::Error for Mistake {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = visible(&self.text);
        let before = self.text.get(..self.at).unwrap_or_default().chars().count();
        write!(
            f,
            "{}\n  {line}\n  {:>width$}",
            self.what,
            "^",
            width = before + 1
        )
    }
}

/// Returns an expression for people: one visible character for each that was typed, so that a caret
/// below is in the right column, and on one line.
fn visible(text: &str) -> String {
    let visible = |c: char| if is_hostile(c) { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}

/// Why a name has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Nothing measured it.
    Unmeasured,
    /// A share of nothing: none of the events that it is a share of took place.
    Nothing,
    /// No node or process is the one that is named.
    NoSuch,
}

impl Gap {
    /// Returns the words that follow the name.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Unmeasured => "was not measured",
            Self::Nothing => "is 0 of 0, with nothing to divide",
            Self::NoSuch => "names no node or process that was seen",
        }
    }
}

/// The names a command knows.
pub trait Vocabulary {
    /// Accepts a name.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name and which names exist.
    fn check(&self, name: &Name) -> Result<(), String>;
}

/// A source of values.
pub trait Values {
    /// Returns the value of a name that the vocabulary accepted.
    ///
    /// # Errors
    /// Why there is none.
    fn value(&self, name: &Name) -> Result<f64, Gap>;
}

impl Expr {
    /// Parses a condition whose names `vocabulary` accepts.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str, vocabulary: &dyn Vocabulary) -> Result<Self, Mistake> {
        let root = parser::parse(text, vocabulary)?;
        Ok(Self {
            text: visible(text),
            root,
        })
    }

    /// Returns the condition as it was typed, without characters that a terminal would act on.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates the condition; the outcome has the values it was decided by.
    #[must_use]
    pub fn evaluate(&self, values: &dyn Values) -> Outcome {
        evaluate::evaluate(&self.root, values)
    }
}

/// The syntax tree. The parser guarantees that logic gets conditions and arithmetic gets numbers.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Literal(f64),
    Name(Name),
    Negative(Box<Node>),
    Arithmetic(Box<Node>, char, Box<Node>),
    Compare(Box<Node>, Comparison, Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
}

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Returns the known name nearest to a mistyped one, for messages; `None` when nothing is near.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Two wrong letters are a typing error, more are a different word.
    const NEAR: usize = 2;
    known
        .into_iter()
        .map(|name| (strsim::levenshtein(typed, name), name))
        .filter(|&(distance, _)| distance <= NEAR)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A vocabulary of `a`, `b` and `share`, and of `node(…)` with these names.
    struct Words;

    impl Vocabulary for Words {
        fn check(&self, name: &Name) -> Result<(), String> {
            match (&name.of, name.name.as_str()) {
                (Some((kind, _)), _) if kind != "node" => Err(format!("unknown selector {kind}")),
                (_, "a" | "b" | "share") => Ok(()),
                (_, other) => Err(format!("unknown name {other}")),
            }
        }
    }

    impl Values for Words {
        fn value(&self, name: &Name) -> Result<f64, Gap> {
            match (name.name.as_str(), name.per_second, &name.of) {
                ("a", false, None) => Ok(10.0),
                ("a", true, None) => Ok(2.0),
                ("a", false, Some((_, which))) => which.parse().map_err(|_| Gap::NoSuch),
                ("share", ..) => Ok(0.06),
                _ => Err(Gap::Unmeasured),
            }
        }
    }

    fn holds(text: &str) -> Option<bool> {
        Expr::parse(text, &Words)
            .unwrap_or_else(|mistake| panic!("{mistake}"))
            .evaluate(&Words)
            .holds
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for (text, wanted) in [
            ("share > 5%", true),
            ("share > 0.07", false),
            ("a/s >= 2 and a == 10", true),
            ("a / 2 > 5 or not (a < 3)", true),
            ("(a + 2) * 3 == 36 && a - 4 != 5", true),
            ("1 + 2 * 3 == 7", true),
            ("-a < 0", true),
            ("!a > 3 || a <= 10", true),
            ("node(7).a == 7", true),
            ("2k == 2000 and 1MiB == 1048576 and 10ms == 0.01", true),
        ] {
            assert_eq!(holds(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_is_unknown_unless_the_rest_decides() {
        assert_eq!(holds("b > 1"), None);
        assert_eq!(holds("b > 1 or a > 1"), Some(true));
        assert_eq!(holds("b > 1 and a < 1"), Some(false));
        assert_eq!(holds("not b > 1"), None);
        assert_eq!(
            holds("a / (a - 10) > 1"),
            None,
            "nothing can be divided by zero"
        );
    }

    #[test]
    fn an_outcome_lists_each_value_behind_it_once() {
        let outcome = Expr::parse("a > 1 and b < 2 and a < 99", &Words)
            .unwrap()
            .evaluate(&Words);
        let named: Vec<(String, Result<f64, Gap>)> = outcome
            .values
            .iter()
            .map(|(name, value)| (name.to_string(), *value))
            .collect();
        assert_eq!(
            named,
            [
                ("a".to_owned(), Ok(10.0)),
                ("b".to_owned(), Err(Gap::Unmeasured))
            ]
        );
    }

    #[test]
    fn a_caret_stands_under_each_mistake() {
        for (text, at, what) in [
            ("", 0, "expected"),
            ("a >", 3, "expected"),
            ("a > 5%%", 6, "unexpected"),
            ("a + 1", 0, "compares nothing"),
            ("a and b > 1", 0, "compares nothing"),
            ("(a > 1) + 2 > 3", 0, "a condition"),
            ("a > 1 > 2", 6, "already"),
            ("nme > 1", 0, "unknown name"),
            ("cpu(1).a > 1", 0, "unknown selector"),
            ("a = 1", 2, "=="),
            ("a > 5q", 4, "unit"),
            ("node(1.a > 2", 4, "not closed"),
            ("ä > 1", 0, "unexpected"),
            ("(a > 1", 6, "expected `)`"),
        ] {
            let mistake = Expr::parse(text, &Words).unwrap_err();
            assert_eq!(mistake.at, at, "{mistake}");
            assert!(mistake.what.contains(what), "{text}: {mistake}");
        }
        let shown = Expr::parse("a > 1 and nme > 1", &Words)
            .unwrap_err()
            .to_string();
        assert_eq!(
            shown,
            "unknown name nme\n  a > 1 and nme > 1\n            ^"
        );
    }

    #[test]
    fn a_typing_error_finds_its_word() {
        assert_eq!(
            nearest("numa_mis", ["numa_hit", "numa_miss"]),
            Some("numa_miss")
        );
        assert_eq!(nearest("banana", ["numa_hit", "numa_miss"]), None);
    }

    proptest! {
        #[test]
        fn any_text_parses_or_has_a_caret_in_it(text in "\\PC{0,30}|[ab()<>=!&|+*/%. 0-9-]{0,40}") {
            if let Err(mistake) = Expr::parse(&text, &Words) {
                prop_assert!(mistake.at <= text.len() && text.is_char_boundary(mistake.at));
            }
        }

        #[test]
        fn deep_nesting_is_refused_and_not_a_crash(depth in 0usize..5000) {
            let text = format!("{}a > 1{}", "(".repeat(depth), ")".repeat(depth));
            prop_assert_eq!(Expr::parse(&text, &Words).is_ok(), depth <= parser::DEEPEST);
        }
    }
}
