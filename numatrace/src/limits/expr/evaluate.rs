//! Evaluates a syntax tree over values: true, false, or unknown when a value is missing.

use super::{Comparison, Gap, Name, Node, Values};

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// True or false; `None` when the result depends on a value that is missing, or on a division
    /// by zero.
    pub holds: Option<bool>,
    /// The values that the expression names, each once, in the order of the text, or why there is
    /// none.
    pub values: Vec<(Name, Result<f64, Gap>)>,
}

/// Evaluates a condition.
pub fn evaluate(root: &Node, values: &dyn Values) -> Outcome {
    let mut seen = Vec::new();
    names(root, &mut |name| {
        if !seen.iter().any(|(known, _)| known == name) {
            seen.push((name.clone(), values.value(name)));
        }
    });
    Outcome {
        holds: condition(root, values),
        values: seen,
    }
}

fn names(node: &Node, each: &mut dyn FnMut(&Name)) {
    match node {
        Node::Literal(_) => {}
        Node::Name(name) => each(name),
        Node::Negative(inner) | Node::Not(inner) => names(inner, each),
        Node::Arithmetic(left, _, right)
        | Node::Compare(left, _, right)
        | Node::And(left, right)
        | Node::Or(left, right) => {
            names(left, each);
            names(right, each);
        }
    }
}

fn condition(node: &Node, values: &dyn Values) -> Option<bool> {
    match node {
        Node::Not(inner) => condition(inner, values).map(|holds| !holds),
        // One side can decide although the other is unknown.
        Node::And(left, right) => match (condition(left, values), condition(right, values)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (left, right) => Some(left? && right?),
        },
        Node::Or(left, right) => match (condition(left, values), condition(right, values)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (left, right) => Some(left? || right?),
        },
        Node::Compare(left, comparison, right) => {
            let (left, right) = (number(left, values)?, number(right, values)?);
            Some(match comparison {
                Comparison::Greater => left > right,
                Comparison::GreaterOrEqual => left >= right,
                Comparison::Less => left < right,
                Comparison::LessOrEqual => left <= right,
                Comparison::Equal => same(left, right),
                Comparison::NotEqual => !same(left, right),
            })
        }
        // The parser refuses a number in place of a condition.
        Node::Literal(_) | Node::Name(_) | Node::Negative(_) | Node::Arithmetic(..) => None,
    }
}

fn number(node: &Node, values: &dyn Values) -> Option<f64> {
    let number = match node {
        Node::Literal(number) => *number,
        Node::Name(name) => values.value(name).ok()?,
        Node::Negative(inner) => -number(inner, values)?,
        Node::Arithmetic(left, sign, right) => {
            let (left, right) = (number(left, values)?, number(right, values)?);
            match sign {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            }
        }
        Node::Compare(..) | Node::Not(_) | Node::And(..) | Node::Or(..) => return None,
    };
    // Division by zero has no value.
    number.is_finite().then_some(number)
}

/// Returns whether two numbers are equal as a person types them: `0.3` equals `0.1 + 0.2`.
fn same(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(right.abs())
}
