//! Parses tokens into a syntax tree by recursive descent, and tells conditions from numbers on the
//! way.

use super::lexer::{Token, tokens};
use super::{Comparison, Mistake, Name, Node, Vocabulary};

/// Deepest nesting of parentheses and signs: more than anybody types, little enough for any stack.
pub const DEEPEST: usize = 50;

/// Parses a text that must be one condition.
pub fn parse(text: &str, vocabulary: &dyn Vocabulary) -> Result<Node, Mistake> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        vocabulary,
    };
    let parsed = parser.any()?;
    if let Some((place, token)) = parser.tokens.get(parser.at) {
        return Err(parser.mistake(*place, format!("unexpected {}", shown(token))));
    }
    parser.condition(parsed)
}

/// A part of the tree: its node, its byte offset, and true for a condition, false for a number.
struct Parsed {
    node: Node,
    place: usize,
    condition: bool,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    vocabulary: &'a dyn Vocabulary,
}

impl Parser<'_> {
    fn mistake(&self, at: usize, what: impl Into<String>) -> Mistake {
        Mistake {
            text: self.text.to_owned(),
            at,
            what: what.into(),
        }
    }

    /// Returns the byte offset of the next token, or of the end of the text.
    fn place(&self) -> usize {
        self.tokens
            .get(self.at)
            .map_or(self.text.len(), |(place, _)| *place)
    }

    fn eat(&mut self, wanted: &[&str]) -> Option<usize> {
        let found = match self.tokens.get(self.at)? {
            (_, Token::Sign(sign)) => wanted.iter().position(|wanted| wanted == sign),
            (_, Token::Word(word)) => wanted.iter().position(|wanted| wanted == word),
            _ => None,
        };
        self.at += usize::from(found.is_some());
        found
    }

    fn condition(&self, parsed: Parsed) -> Result<Node, Mistake> {
        if parsed.condition {
            return Ok(parsed.node);
        }
        Err(self.mistake(
            parsed.place,
            "this compares nothing; a condition needs one of > >= < <= == !=",
        ))
    }

    fn number(&self, parsed: Parsed) -> Result<Box<Node>, Mistake> {
        if parsed.condition {
            return Err(self.mistake(parsed.place, "this is a condition where a number is needed"));
        }
        Ok(Box::new(parsed.node))
    }

    /// Parses alternatives joined by `or`, which binds weakest.
    fn any(&mut self) -> Result<Parsed, Mistake> {
        let mut left = self.all()?;
        while self.eat(&["or", "||"]).is_some() {
            let right = self.all()?;
            let place = left.place;
            let node = Node::Or(
                Box::new(self.condition(left)?),
                Box::new(self.condition(right)?),
            );
            left = Parsed {
                node,
                place,
                condition: true,
            };
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Parsed, Mistake> {
        let mut left = self.not()?;
        while self.eat(&["and", "&&"]).is_some() {
            let right = self.not()?;
            let place = left.place;
            let node = Node::And(
                Box::new(self.condition(left)?),
                Box::new(self.condition(right)?),
            );
            left = Parsed {
                node,
                place,
                condition: true,
            };
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Parsed, Mistake> {
        let place = self.place();
        if self.eat(&["not", "!"]).is_none() {
            return self.comparison();
        }
        let inner = self.deeper(Self::not)?;
        Ok(Parsed {
            node: Node::Not(Box::new(self.condition(inner)?)),
            place,
            condition: true,
        })
    }

    fn comparison(&mut self) -> Result<Parsed, Mistake> {
        const SIGNS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];
        const MEANING: [Comparison; 6] = [
            Comparison::GreaterOrEqual,
            Comparison::LessOrEqual,
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Greater,
            Comparison::Less,
        ];
        let left = self.sum()?;
        let Some(comparison) = self.eat(&SIGNS).and_then(|sign| MEANING.get(sign).copied()) else {
            return Ok(left);
        };
        let right = self.sum()?;
        let again = self.place();
        if self.eat(&SIGNS).is_some() {
            return Err(self.mistake(again, "this is compared already; join comparisons with and"));
        }
        let place = left.place;
        let node = Node::Compare(self.number(left)?, comparison, self.number(right)?);
        Ok(Parsed {
            node,
            place,
            condition: true,
        })
    }

    fn sum(&mut self) -> Result<Parsed, Mistake> {
        let mut left = self.product()?;
        while let Some(sign) = self.eat(&["+", "-"]) {
            let right = self.product()?;
            left = self.arithmetic(left, if sign == 0 { '+' } else { '-' }, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Parsed, Mistake> {
        let mut left = self.signed()?;
        while let Some(sign) = self.eat(&["*", "/"]) {
            let right = self.signed()?;
            left = self.arithmetic(left, if sign == 0 { '*' } else { '/' }, right)?;
        }
        Ok(left)
    }

    fn arithmetic(&self, left: Parsed, sign: char, right: Parsed) -> Result<Parsed, Mistake> {
        let place = left.place;
        let node = Node::Arithmetic(self.number(left)?, sign, self.number(right)?);
        Ok(Parsed {
            node,
            place,
            condition: false,
        })
    }

    fn signed(&mut self) -> Result<Parsed, Mistake> {
        let place = self.place();
        if self.eat(&["-"]).is_none() {
            return self.primary();
        }
        let inner = self.deeper(Self::signed)?;
        Ok(Parsed {
            node: Node::Negative(self.number(inner)?),
            place,
            condition: false,
        })
    }

    fn primary(&mut self) -> Result<Parsed, Mistake> {
        let place = self.place();
        if self.eat(&["("]).is_some() {
            let inner = self.deeper(Self::any)?;
            if self.eat(&[")"]).is_none() {
                return Err(self.mistake(self.place(), "expected `)`"));
            }
            return Ok(Parsed { place, ..inner });
        }
        let token = self.tokens.get(self.at).map(|(_, token)| token.clone());
        match token {
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(Parsed {
                    node: Node::Literal(number),
                    place,
                    condition: false,
                })
            }
            Some(Token::Word(word)) if !["and", "or", "not"].contains(&word.as_str()) => {
                self.at += 1;
                let name = self.name(word)?;
                self.vocabulary
                    .check(&name)
                    .map_err(|what| self.mistake(place, what))?;
                Ok(Parsed {
                    node: Node::Name(name),
                    place,
                    condition: false,
                })
            }
            Some(token) => Err(self.mistake(
                place,
                format!("unexpected {}: a name or number is expected", shown(&token)),
            )),
            None => Err(self.mistake(place, "expected a name or number, found the end")),
        }
    }

    /// Parses the rest of a name after its first word: `(which).name`, `/s`.
    fn name(&mut self, word: String) -> Result<Name, Mistake> {
        let mut name = Name {
            of: None,
            name: word,
            per_second: false,
        };
        if let Some((_, Token::Argument(which))) = self.tokens.get(self.at) {
            let which = which.clone();
            self.at += 1;
            let place = self.place();
            let dot = self.eat(&["."]);
            let Some((_, Token::Word(word))) = dot.and_then(|_| self.tokens.get(self.at)).cloned()
            else {
                return Err(self.mistake(
                    place,
                    format!("expected .NAME after {}({which})", name.name),
                ));
            };
            self.at += 1;
            name = Name {
                of: Some((name.name, which)),
                name: word,
                per_second: false,
            };
        }
        if let Some((_, Token::PerSecond)) = self.tokens.get(self.at) {
            self.at += 1;
            name.per_second = true;
        }
        Ok(name)
    }

    fn deeper(
        &mut self,
        inner: fn(&mut Self) -> Result<Parsed, Mistake>,
    ) -> Result<Parsed, Mistake> {
        if self.depth >= DEEPEST {
            return Err(self.mistake(self.place(), format!("nested more than {DEEPEST} deep")));
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(number) => number.to_string(),
        Token::Word(word) => word.clone(),
        Token::Argument(argument) => format!("({})", super::visible(argument)),
        Token::PerSecond => "/s".to_owned(),
        Token::Sign(sign) => (*sign).to_owned(),
    }
}
