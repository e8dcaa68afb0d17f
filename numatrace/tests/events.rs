//! Lines of `numatrace events` against their schema, and the page that explains them.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

use std::collections::BTreeSet;

use numatrace::{
    ids::{CpuId, NodeId, Pid, Tid},
    model::{
        Addr, Hook, MappingKind, Name,
        event::{Event, Kind, Line, Lost, LostKind, LostReason, Place, SCHEMA as NAME, Session},
    },
    output::json,
};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../docs/events.schema.json");
const PAGE: &str = include_str!("../../docs/events.md");

fn event(kind: Kind) -> Event {
    let pages = |kinds: &[Kind]| kinds.contains(&kind).then_some(512);
    let is = |one: Kind| kind == one;
    Event {
        time: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
        kind,
        from: NodeId(0),
        to: NodeId(4),
        pid: Pid(4242),
        tid: (!is(Kind::PageMigration)).then_some(Tid(4243)),
        comm: Name::from(&b"a\n\x1b[31m\xff"[..]),
        reason: Some("fallback".into()),
        pages: pages(&[
            Kind::Alloc,
            Kind::FirstTouch,
            Kind::PageMigration,
            Kind::Incident,
        ]),
        count: pages(&[
            Kind::Alloc,
            Kind::HintFault,
            Kind::Reclaim,
            Kind::HugetlbFailed,
        ]),
        migrated: pages(&[Kind::HintFault, Kind::Incident]),
        wanted: is(Kind::Alloc).then_some(NodeId(0)),
        cpus: is(Kind::TaskMove).then_some([CpuId(1), CpuId(3)]),
        mapping: (is(Kind::FirstTouch) || is(Kind::HintFault)).then(|| Place {
            kind: is(Kind::FirstTouch).then_some(MappingKind::Heap),
            name: None,
            low: Addr(0x7f00_0000_0000),
            high: Addr(0x7f00_0020_0000),
        }),
        moved_by: is(Kind::PageMigration).then_some(Pid(77)),
        touched_by: is(Kind::FirstTouch).then_some(Pid(77)),
        away_ms: is(Kind::Incident).then_some(812.5),
        back: is(Kind::Incident).then(|| "numa_move".into()),
        asked_by: is(Kind::OomKill).then_some(Pid(77)),
        call: is(Kind::PolicyRefused).then(|| "mbind".into()),
        errno: (is(Kind::PolicyRefused) || is(Kind::HugetlbFailed)).then(|| "EINVAL".into()),
        why: is(Kind::PolicyRefused).then(|| "unknown flags".into()),
        page_kb: is(Kind::HugetlbFailed).then_some(2048),
        took_ms: is(Kind::Reclaim).then_some(1.5),
    }
}

/// Returns one line of every kind.
fn lines() -> Vec<Line> {
    let mut lines = vec![Line::Session(Box::new(Session {
        schema: NAME.into(),
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        kernel: "6.12.117".into(),
        page_size: 4096,
        nodes: vec![NodeId(0), NodeId(4)],
        hooks: vec![Hook::absent(
            "hint_fault",
            "no such tracepoint",
            "hinting faults",
        )],
    }))];
    lines.extend(Kind::ALL.map(|kind| Line::Event(Box::new(event(kind)))));
    for reason in [
        LostReason::SlowReader,
        LostReason::RingFull,
        LostReason::Malformed,
    ] {
        lines.push(Line::Lost(Lost {
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            kind: LostKind::Lost,
            reason,
            count: 7,
            by_kind: [("alloc".to_owned(), 7)].into(),
        }));
    }
    lines
}

#[test]
fn every_line_is_valid_by_the_schema_and_stays_one_line() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in lines() {
        let text = json::to_line(&line).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.contains('\x1b'), "{text:?}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let breaches: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(breaches.is_empty(), "{text}: {breaches:#?}");
    }
}

#[test]
fn the_schema_refuses_what_lacks_its_fields() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in lines() {
        let whole = serde_json::to_value(&line).unwrap();
        for field in ["time", "pages", "cpus", "away_ms", "count"] {
            let mut lacking = whole.clone();
            let had = lacking.as_object_mut().unwrap().remove(field).is_some();
            // A count of allocations and one of lost events are needed alike.
            assert!(!had || !validator.is_valid(&lacking), "{field} of {whole}");
        }
    }
}

#[test]
fn what_is_read_back_is_what_was_written() {
    for line in lines() {
        let text = json::to_line(&line).unwrap();
        let back: Line = serde_json::from_str(&text).unwrap();
        assert_eq!(
            serde_json::to_value(&back).unwrap(),
            serde_json::from_str::<Value>(&text).unwrap()
        );
    }
}

#[test]
fn every_field_is_explained_for_people() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut fields = BTreeSet::new();
    properties(&schema, &mut fields);
    assert!(fields.len() > 20, "{fields:?}");
    let words: BTreeSet<&str> = PAGE
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let missing: Vec<_> = fields
        .iter()
        .filter(|field| !words.contains(field.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/events.md does not mention {missing:?}"
    );
    for kind in Kind::ALL {
        assert!(PAGE.contains(&format!("| `{}` |", kind.name())), "{kind:?}");
    }
}

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
