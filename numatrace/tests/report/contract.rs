//! The JSON of a report against its schema and against the contract's own check.

use std::io::Write as _;
use std::process::{Command, Stdio};

use numatrace::model::Snapshot;
use numatrace::output::json;
use serde_json::Value;

use crate::fixture;

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");
const EXAMPLE: &str = include_str!("../../../tests/contract/example.json");
const CHECK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/contract/check_report.py"
);

fn reports() -> Vec<(&'static str, String)> {
    let mut reports = vec![("example", EXAMPLE.to_owned())];
    reports.extend(
        fixture::all()
            .into_iter()
            .map(|(name, snapshot)| (name, json::to_line(&snapshot).expect("a snapshot is JSON"))),
    );
    reports
}

#[test]
fn every_report_is_valid_by_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, report) in reports() {
        let report: Value = serde_json::from_str(&report).unwrap();
        let breaches: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(breaches.is_empty(), "{name}: {breaches:#?}");
    }
}

#[test]
fn every_report_keeps_the_contract() {
    for (name, report) in reports() {
        let child = Command::new("python3")
            .args([CHECK, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            // Only where there is no Python; the schema test above has run all the same.
            assert!(
                Command::new("python3").arg("--version").output().is_err(),
                "python3 is there but did not start"
            );
            return;
        };
        child
            .stdin
            .take()
            .unwrap()
            .write_all(report.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let breaches = String::from_utf8_lossy(&output.stdout);
        // Nothing was traced, so there is no audit to keep: the check accepts that, and so does the verdict.
        assert!(output.status.success(), "{name}:\n{breaches}");
    }
}

#[test]
fn every_report_reads_back_as_it_was() {
    for (name, snapshot) in fixture::all()
        .into_iter()
        .filter(|(name, _)| *name != "hostile")
    {
        let line = json::to_line(&snapshot).unwrap();
        assert_eq!(
            serde_json::from_str::<Snapshot>(&line).unwrap(),
            snapshot,
            "{name}"
        );
    }
}

#[test]
fn names_that_are_not_utf8_read_back_as_their_escapes() {
    let line = json::to_line(&fixture::hostile()).unwrap();
    let once = serde_json::from_str::<Snapshot>(&line).unwrap();
    assert_eq!(
        json::to_line(&once).unwrap(),
        line,
        "a second writing changes nothing"
    );
}

/// Every object of the schema describes its fields, and every field that the fixtures print is described.
#[test]
fn the_schema_describes_every_field_that_is_printed() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (name, report) in reports() {
        let report: Value = serde_json::from_str(&report).unwrap();
        described(&schema, &schema, &report, name);
    }
}

/// Walks report and schema side by side; a field without `properties` entry and without a map's `additionalProperties` fails.
fn described(root: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(root, schema);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let part = schema
                    .pointer(&format!("/properties/{key}"))
                    .or_else(|| {
                        schema
                            .get("additionalProperties")
                            .filter(|more| more.is_object())
                    })
                    .unwrap_or_else(|| panic!("{at}.{key} is not in docs/report.schema.json"));
                described(root, part, value, &format!("{at}.{key}"));
            }
        }
        Value::Array(items) => {
            let part = schema
                .get("items")
                .unwrap_or_else(|| panic!("{at}: items are not described"));
            for item in items {
                described(root, part, item, &format!("{at}[]"));
            }
        }
        _ => {}
    }
}

/// Follows `$ref`, and `anyOf` to the branch that is not null.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} leads nowhere"));
        return resolve(root, target);
    }
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        let fitting = branches
            .iter()
            .find(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
        return resolve(root, fitting.unwrap_or(schema));
    }
    schema
}
