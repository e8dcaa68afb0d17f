//! The pages about the report say everything the report can say.

use std::collections::BTreeSet;

use numatrace::model::finding;
use numatrace::model::quantity::{ALL, Of};
use numatrace::output::export::csv;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");
const REPORT: &str = include_str!("../../../docs/report.md");
const FAIL_IF: &str = include_str!("../../../docs/fail-if.md");
const EXPORT: &str = include_str!("../../../docs/export.md");
const FINDINGS: &str = include_str!("../../../docs/findings.md");

#[test]
fn every_field_of_the_schema_is_explained_for_people() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut fields = BTreeSet::new();
    properties(&schema, &mut fields);
    assert!(
        fields.len() > 80,
        "the schema has more fields than {}",
        fields.len()
    );
    let words: BTreeSet<&str> = REPORT
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let missing: Vec<_> = fields
        .iter()
        .filter(|field| !words.contains(field.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/report.md does not mention {missing:?}"
    );
}

/// The names of all properties, however deep.
fn properties(schema: &Value, fields: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            for (key, part) in parts {
                if let ("properties", Value::Object(named)) = (key.as_str(), part) {
                    fields.extend(named.keys().cloned());
                }
                properties(part, fields);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| properties(part, fields)),
        _ => {}
    }
}

/// The table of names in docs/fail-if.md is the list of quantities, word for word.
#[test]
fn every_quantity_is_listed_for_people_as_the_program_has_it() {
    let rows: Vec<&str> = FAIL_IF
        .lines()
        .skip_while(|line| !line.starts_with("| name | what it is"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let mut wanted: Vec<String> = ALL
        .iter()
        .map(|quantity| {
            let mut of = vec!["machine"];
            of.extend(quantity.of.iter().map(|of| match of {
                Of::Node => "node",
                Of::Process => "process",
            }));
            let (name, what, unit) = (quantity.name, quantity.what, quantity.unit.name());
            format!("| `{name}` | {what} | {unit} | {} |", of.join(", "))
        })
        .collect();
    wanted.push("| `duration_s` | how long the session counted | seconds | machine |".to_owned());
    assert_eq!(rows, wanted);
}

#[test]
fn every_table_of_the_csv_is_listed_for_people() {
    for (table, _) in csv::TABLES {
        assert!(EXPORT.contains(&format!("| `{table}` |")), "{table}");
    }
    assert!(EXPORT.contains(csv::HEADER.trim_end()));
}

#[test]
fn every_finding_is_listed_for_people() {
    for id in finding::ids() {
        assert!(
            FINDINGS.contains(&format!("| `{id}` |")),
            "docs/findings.md does not list {id}"
        );
    }
}
