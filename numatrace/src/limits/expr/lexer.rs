//! Splits the text of an expression into tokens, each with its byte offset.

use super::Mistake;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A number with its unit applied.
    Number(f64),
    /// A word: a name, a selector, or `and`, `or`, `not`.
    Word(String),
    /// The text between parentheses right after a word: `redis` in `proc(redis)`.
    Argument(String),
    /// `/s` right after a name.
    PerSecond,
    /// An operator or parenthesis.
    Sign(&'static str),
}

/// Longer signs first, so that `>=` is not read as `>`.
const SIGNS: [&str; 18] = [
    ">=", "<=", "==", "!=", "&&", "||", ">", "<", "=", "!", "+", "-", "*", "/", "(", ")", ".", "%",
];

/// Returns the tokens of a text and their byte offsets.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut tokens: Vec<(usize, Token)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let mistake = |at: usize, what: String| Mistake {
            text: text.to_owned(),
            at,
            what,
        };
        let first = rest.chars().next().unwrap_or(' ');
        let length;
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() {
            let number;
            (length, number) = self::number(rest).map_err(|what| mistake(at, what))?;
            tokens.push((at, Token::Number(number)));
        } else if is_letter(first) {
            length = rest
                .find(|c: char| !is_letter(c) && !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            tokens.push((at, Token::Word(word.to_owned())));
            if after.starts_with('(') && !["and", "or", "not"].contains(&word) {
                let place = at + length;
                let close = after
                    .find(')')
                    .ok_or_else(|| mistake(place, "this parenthesis is not closed".to_owned()))?;
                tokens.push((
                    place,
                    Token::Argument(after.get(1..close).unwrap_or_default().to_owned()),
                ));
                at = place + close + 1;
                continue;
            }
            if after.strip_prefix("/s").is_some_and(|after| {
                !after.starts_with(|c: char| is_letter(c) || c.is_ascii_digit())
            }) {
                tokens.push((at + length, Token::PerSecond));
                at += length + 2;
                continue;
            }
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| mistake(at, format!("unexpected {first:?}")))?;
            if *sign == "=" {
                return Err(mistake(at, "equality is written ==".to_owned()));
            }
            tokens.push((at, Token::Sign(sign)));
            length = sign.len();
        }
        at += length;
    }
    Ok(tokens)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Returns length and value of the number at the start of a text, including its unit.
fn number(text: &str) -> Result<(usize, f64), String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let value: f64 = number
        .parse()
        .map_err(|_| format!("{number} is not a number"))?;
    if rest.starts_with('%') {
        return Ok((digits + 1, value / 100.0));
    }
    let letters = rest
        .find(|c: char| !is_letter(c) && !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let factor = match rest.get(..letters).unwrap_or_default() {
        "" | "s" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "us" => 1e-6,
        "ms" => 1e-3,
        unit => {
            return Err(format!(
                "unknown unit {unit}: there are %, k, M, G, KiB, MiB, GiB, us, ms, s"
            ));
        }
    };
    Ok((digits + letters, value * factor))
}
