//! JSON reports: saved documents with anything in their fields, through `report`'s text, `diff` and
//! every form of `export`.

use numatrace::{
    model::{Name, Snapshot, diff::Diff},
    output::{
        self,
        export::{
            csv, flamegraph,
            folded::{self, Weight},
            perfetto,
        },
        json,
        text::TextOptions,
    },
    recording::load,
};
use serde_json::{Map, Number, Value};

use crate::{campaign, dice::Dice};

const EXAMPLE: &str = include_str!("../../../tests/contract/example.json");

/// Returns a value that a field does not expect.
fn odd(dice: &mut Dice) -> Value {
    match dice.throw(9) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::from(dice.corner()),
        3 => Number::from_f64([-1.0, 1e300, 0.1, -0.0][dice.throw(4)])
            .map_or(Value::Null, Value::Number),
        4 => Value::from("\u{1b}]0;x\u{7}\u{202e}\n\0é"),
        5 => Value::from("9".repeat(1 << dice.throw(12))),
        6 => Value::Array(vec![Value::from(dice.corner()); dice.throw(200)]),
        7 => Value::Array(vec![Value::Array(vec![Value::from(7)]); dice.throw(9)]),
        _ => Value::Object(Map::new()),
    }
}

/// Changes one value, somewhere below.
fn shake(value: &mut Value, dice: &mut Dice) {
    let stop = dice.throw(6) == 0;
    match value {
        Value::Array(items) if !items.is_empty() && !stop => {
            let which = dice.throw(items.len());
            match dice.throw(12) {
                0 => drop(items.remove(which)),
                1 => {
                    let copy = items[which].clone();
                    items.push(copy);
                }
                _ => shake(&mut items[which], dice),
            }
        }
        Value::Object(fields) if !fields.is_empty() && !stop => {
            let which = dice.throw(fields.len());
            let key = fields.keys().nth(which).unwrap().clone();
            if dice.throw(20) == 0 {
                fields.remove(&key);
            } else if let Some(inner) = fields.get_mut(&key) {
                shake(inner, dice);
            }
        }
        Value::Number(_) if dice.throw(4) > 0 => *value = Value::from(dice.corner()),
        other => *other = odd(dice),
    }
}

/// Makes everything of a report that can be made of one.
fn used(snapshot: &Snapshot, honest: &Snapshot) {
    let options = TextOptions::default();
    json::to_line(snapshot).unwrap();
    assert!(!output::text::render(snapshot, &options).is_empty());
    let _ = output::text::render_audit(snapshot, &options);
    let name = Name::from("a");
    for (before, after) in [(snapshot, honest), (honest, snapshot)] {
        let diff = Diff::of((&name, before), (&name, after));
        json::to_line(&diff).unwrap();
        let _ = output::diff::render(&diff, &options);
    }
    for weight in [Weight::Pages, Weight::Accesses] {
        let _ = folded::lines(snapshot, weight);
        // A picture that cannot be drawn is an error of the command.
        let _ = flamegraph::render(snapshot, weight);
    }
    let _ = csv::lines(snapshot);
    let _ = perfetto::render(std::slice::from_ref(snapshot), &[]);
}

#[test]
fn reports_with_anything_in_them() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let honest: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    campaign::run("reports", 150, |dice| {
        let mut text = if dice.throw(5) == 0 {
            EXAMPLE.as_bytes().to_vec()
        } else {
            let mut value = example.clone();
            for _ in 0..=dice.throw(5) {
                shake(&mut value, dice);
            }
            value.to_string().into_bytes()
        };
        if dice.throw(4) == 0 {
            dice.shake_text(&mut text);
        }
        std::fs::write(&path, &text).unwrap();
        let loaded = load::snapshot(&path);
        if let Ok(snapshot) = &loaded {
            used(snapshot, &honest);
        }
        loaded.is_ok()
    });
}
