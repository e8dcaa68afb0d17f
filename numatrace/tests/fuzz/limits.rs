//! Expressions of `--fail-if`: any text is refused with a caret, or has an outcome.

use numatrace::{
    limits::{
        expr::Expr,
        fail_if::{DiffNames, DiffValues, ReportNames, ReportValues},
    },
    model::{Name, Snapshot, diff::Diff},
};

use crate::{campaign, dice::Dice};

const EXAMPLE: &str = include_str!("../../../tests/contract/example.json");

/// Quantities that are counted in a report of any machine.
const NAMES: [&str; 5] = [
    "numa_miss",
    "other_node",
    "allocations",
    "pages",
    "first_touch_pages",
];

const WORDS: [&str; 44] = [
    "remote_share",
    "numa_miss",
    "local_access_share",
    "duration_s",
    "findings",
    "findings_new",
    "numa_miss_change",
    "remote_share_sigma",
    "other_node_before",
    "node(0).",
    "node(max).",
    "node(min).",
    "node(65535).",
    "node(99999999999).",
    "proc(redis).",
    "proc(1).",
    "proc().",
    "cpu(1).",
    "/s",
    ">",
    ">=",
    "<",
    "<=",
    "==",
    "!=",
    "=",
    "+",
    "-",
    "*",
    "/",
    "and",
    "or",
    "not",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "5%",
    "1e308",
    "99999999999999999999G",
    "0",
    "2MiB",
    "\u{202e}\u{1b}[2J é",
];

/// Returns a number, as the language has them.
fn number(dice: &mut Dice, depth: usize) -> String {
    if depth > 0 && dice.throw(3) == 0 {
        let sign = *dice.one(&["+", "-", "*", "/"]);
        let (left, right) = (number(dice, depth - 1), number(dice, depth - 1));
        return format!("({left} {sign} {right})");
    }
    let name = *dice.one(&NAMES);
    match dice.throw(4) {
        0 => dice.corner().to_string(),
        1 => format!("node(max).{name}"),
        2 => format!("{name}/s"),
        _ => name.to_owned(),
    }
}

/// Returns a condition, as the language has them.
fn condition(dice: &mut Dice, depth: usize) -> String {
    if depth > 0 && dice.throw(2) == 0 {
        let word = *dice.one(&["and", "or", "&&", "||"]);
        let (left, right) = (condition(dice, depth - 1), condition(dice, depth - 1));
        return format!("not ({left}) {word} {right}");
    }
    let comparison = *dice.one(&[">", ">=", "<", "<=", "==", "!="]);
    format!("{} {comparison} {}", number(dice, 3), number(dice, 3))
}

fn expression(dice: &mut Dice) -> String {
    match dice.throw(3) {
        0 => words(dice),
        1 => condition(dice, 4),
        _ => {
            let mut text = condition(dice, 2).into_bytes();
            dice.shake_text(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
    }
}

/// Returns words of the language in any order.
fn words(dice: &mut Dice) -> String {
    let words = 1 + dice.throw(12);
    let mut text = String::new();
    for _ in 0..words {
        let word: &&str = dice.one(&WORDS);
        text.push_str(word);
        if dice.throw(3) > 0 {
            text.push(' ');
        }
    }
    if dice.throw(2) == 0 {
        text.push_str(" > 0");
    }
    if dice.throw(20) == 0 {
        let depth = 1 << dice.throw(14);
        let brackets = *dice.one(&["(", "-", "not ", "!"]);
        text.insert_str(0, &brackets.repeat(depth));
    }
    text
}

#[test]
fn limits_of_any_text() {
    let before: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
    let mut after = before.clone();
    after.session.duration_s = 0.0;
    after.system = None;
    after.processes.clear();
    let diff = Diff::of((&Name::from("a"), &before), (&Name::from("b"), &after));
    campaign::run("limits", 3_000, |dice| {
        let text = expression(dice);
        let parsed = [
            Expr::parse(&text, &ReportNames).map(|expr| {
                let _ = expr.evaluate(&ReportValues::new(&before));
                expr.evaluate(&ReportValues::new(&after))
            }),
            Expr::parse(&text, &DiffNames).map(|expr| expr.evaluate(&DiffValues(&diff))),
        ];
        parsed.into_iter().any(|parsed| match parsed {
            Ok(_) => true,
            Err(mistake) => {
                assert!(text.is_char_boundary(mistake.at), "{mistake}");
                assert!(mistake.to_string().contains('^'));
                false
            }
        })
    });
}
