//! The pages about the report say everything the report can say.

use std::collections::BTreeSet;

use numatrace::model::finding;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");
const REPORT: &str = include_str!("../../../docs/report.md");
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

#[test]
fn every_finding_is_listed_for_people() {
    for id in finding::ids() {
        assert!(
            FINDINGS.contains(&format!("| `{id}` |")),
            "docs/findings.md does not list {id}"
        );
    }
}
