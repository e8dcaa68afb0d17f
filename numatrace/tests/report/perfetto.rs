//! The Perfetto trace, decoded with Perfetto's published schema (`perfetto.proto` in this folder):
//! its counts are the report's.

use std::collections::BTreeMap;

use numatrace::ids::{CpuId, NodeId, Pid, Tid};
use numatrace::model::{Counter, MoveReason, Recorded, RecordedWhat, Snapshot};
use numatrace::output::export::perfetto::render;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value};
use serde_json::json;

use crate::{before_after, fixture};

const SCHEMA: &str = include_str!("perfetto.proto");

/// Decodes a trace; fields that the schema lacks are a failure.
fn decode(bytes: &[u8]) -> Vec<DynamicMessage> {
    let file = protox::file::File::from_source("perfetto.proto", SCHEMA).unwrap();
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(file.file_descriptor_proto().clone())
        .unwrap();
    let trace = pool.get_message_by_name("perfetto.protos.Trace").unwrap();
    let trace = DynamicMessage::decode(trace, bytes).unwrap();
    known(&trace);
    let packets = trace.get_field_by_name("packet").unwrap();
    let packets = packets.as_list().unwrap();
    packets
        .iter()
        .map(|packet| packet.as_message().unwrap().clone())
        .collect()
}

fn known(message: &DynamicMessage) {
    let unknown: Vec<_> = message
        .unknown_fields()
        .map(prost_reflect::UnknownField::number)
        .collect();
    assert!(
        unknown.is_empty(),
        "{}: {unknown:?}",
        message.descriptor().name()
    );
    for (_, value) in message.fields() {
        match value {
            Value::Message(inner) => known(inner),
            Value::List(list) => list.iter().filter_map(Value::as_message).for_each(known),
            _ => {}
        }
    }
}

fn part(message: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    message.has_field_by_name(name).then(|| {
        message
            .get_field_by_name(name)
            .unwrap()
            .as_message()
            .unwrap()
            .clone()
    })
}

fn number(message: &DynamicMessage, name: &str) -> Option<u64> {
    let value = message.get_field_by_name(name)?;
    value
        .as_u64()
        .or_else(|| value.as_i64().and_then(|value| u64::try_from(value).ok()))
        .or_else(|| value.as_u32().map(u64::from))
}

fn text(message: &DynamicMessage, name: &str) -> String {
    message
        .get_field_by_name(name)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

/// Returns tracks by number: name and parent.
fn tracks(packets: &[DynamicMessage]) -> BTreeMap<u64, (String, u64)> {
    let described = packets
        .iter()
        .filter_map(|packet| part(packet, "track_descriptor"));
    let tracks: Vec<_> = described
        .map(|track| {
            let parent = number(&track, "parent_uuid").unwrap_or(0);
            (
                number(&track, "uuid").unwrap(),
                (text(&track, "name"), parent),
            )
        })
        .collect();
    let by_number: BTreeMap<_, _> = tracks.iter().cloned().collect();
    assert_eq!(by_number.len(), tracks.len(), "a track is described once");
    by_number
}

/// Returns the events; those on counters have a value, the others have none.
fn events(packets: &[DynamicMessage]) -> Vec<DynamicMessage> {
    let counters: Vec<u64> = packets
        .iter()
        .filter_map(|packet| part(packet, "track_descriptor"))
        .filter(|track| track.has_field_by_name("counter"))
        .filter_map(|track| number(&track, "uuid"))
        .collect();
    for event in packets
        .iter()
        .filter_map(|packet| part(packet, "track_event"))
    {
        let on_counter = counters.contains(&number(&event, "track_uuid").unwrap());
        assert_eq!(
            on_counter,
            event.has_field_by_name("counter_value"),
            "{event:?}"
        );
    }
    packets
        .iter()
        .filter_map(|packet| part(packet, "track_event"))
        .collect()
}

/// Returns the last values of the counters of all nodes, summed by name.
fn counters(packets: &[DynamicMessage]) -> BTreeMap<String, u64> {
    let tracks = tracks(packets);
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events(packets) {
        if event.has_field_by_name("counter_value") {
            let track = number(&event, "track_uuid").unwrap();
            let value = number(&event, "counter_value").unwrap();
            let before = last.insert(track, value).unwrap_or(0);
            assert!(before <= value, "sums only grow");
        }
    }
    let mut sums = BTreeMap::new();
    for (track, value) in last {
        let (name, parent) = &tracks[&track];
        assert!(tracks[parent].0.starts_with("node "), "{name} is a node's");
        *sums.entry(name.clone()).or_default() += value;
    }
    sums
}

#[test]
fn counters_end_at_the_counts_of_the_report() {
    for (name, snapshot) in fixture::all() {
        let sums = counters(&decode(&render(std::slice::from_ref(&snapshot), &[])));
        let total = snapshot.alloc_total();
        for counter in Counter::ALL {
            let wanted = total.as_ref().and_then(|alloc| alloc.counter(counter));
            assert_eq!(
                sums.get(counter.name()).copied(),
                wanted.map(numatrace::model::PerNode::total),
                "{name}: {}",
                counter.name()
            );
        }
    }
}

#[test]
fn intervals_follow_one_another_and_add_up() {
    let mut first = fixture::two_nodes();
    first.session.interval = Some(0);
    let mut second = first.clone();
    second.session.interval = Some(1);
    second.session.start = first.session.start + jiff::SignedDuration::from_millis(10_020);
    let remote = first.alloc_total().unwrap().remote().unwrap();
    let packets = decode(&render(&[first, second], &[]));
    assert_eq!(counters(&packets)["other_node"], 2 * remote);
    let ends: Vec<u64> = packets
        .iter()
        .filter_map(|packet| number(packet, "timestamp"))
        .collect();
    assert_eq!(ends.iter().max(), Some(&20_040_000_000));
}

fn with_timeline() -> Snapshot {
    let mut snapshot = before_after::bug();
    snapshot.timeline = serde_json::from_value(json!([
        {"at_s": 1.0, "from": 0, "to": 1, "kind": "task_move", "tid": 4243, "reason": "wakeup"},
        {"at_s": 2.0, "from": 0, "to": 1, "kind": "page_migration", "moved_by": 4243, "pages": 512},
        {"at_s": 3.0, "from": 1, "to": 0, "kind": "task_move", "tid": 4243,
         "reason": "load_balance"},
    ]))
    .unwrap();
    snapshot
}

#[test]
fn moves_are_arrows_and_threads_are_on_a_node_all_the_time() {
    let snapshot = with_timeline();
    let packets = decode(&render(std::slice::from_ref(&snapshot), &[]));
    let tracks = tracks(&packets);
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    let mut of_category: BTreeMap<String, usize> = BTreeMap::new();
    for event in events(&packets) {
        let flows = |name: &str| -> Vec<u64> {
            let list = event.get_field_by_name(name).unwrap();
            list.as_list()
                .unwrap()
                .iter()
                .filter_map(Value::as_u64)
                .collect()
        };
        begun.extend(flows("flow_ids"));
        ended.extend(flows("terminating_flow_ids"));
        let categories = event.get_field_by_name("categories").unwrap();
        for category in categories.as_list().unwrap() {
            *of_category
                .entry(category.as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        assert!(
            tracks.contains_key(&number(&event, "track_uuid").unwrap()),
            "{event:?}"
        );
    }
    assert_eq!(begun, ended, "every arrow has two ends");
    let moments = snapshot.timeline.as_ref().unwrap();
    assert_eq!(begun.len(), moments.len());
    assert_eq!(of_category["task_move"], 2);
    assert_eq!(of_category["page_migration"], 1);
    // The one thread that moved has three stays, each with a beginning and an end.
    assert_eq!(of_category["node"], 6);
}

#[test]
fn incidents_are_shown_without_a_timeline() {
    let mut snapshot = before_after::bug();
    snapshot.incidents = serde_json::from_value(json!([
        {"pid": 4242, "tid": 4243, "comm": "worker\u{1b}", "from": 0, "to": 1, "reason": "wakeup",
         "at_s": 1.0, "away_ms": 500.0, "pages_left": 100, "pages_followed": 0,
         "back": "numa_move"},
        {"pid": 4242, "tid": 4243, "comm": "worker", "from": 0, "to": 1, "reason": "wakeup",
         "at_s": -1.0, "away_ms": 1e300, "pages_left": 100, "pages_followed": 0, "back": null},
    ]))
    .unwrap();
    let packets = decode(&render(std::slice::from_ref(&snapshot), &[]));
    let flows = events(&packets)
        .iter()
        .filter(|event| {
            !event
                .get_field_by_name("flow_ids")
                .unwrap()
                .as_list()
                .unwrap()
                .is_empty()
        })
        .count();
    assert_eq!(flows, 3, "two went and one came back");
    for event in events(&packets) {
        assert!(!text(&event, "name").contains('\u{1b}'));
    }
}

#[test]
fn a_recording_has_every_move_on_the_tracks_of_its_cpus() {
    let mut snapshot = before_after::bug();
    snapshot.session.began_ns = Some(1_000);
    // Without this, moves would appear twice.
    snapshot.incidents = serde_json::from_value(json!([
        {"pid": 4242, "tid": 4243, "comm": "worker", "from": 0, "to": 1, "reason": "wakeup",
         "at_s": 1.0, "away_ms": 500.0, "pages_left": 100, "pages_followed": 0, "back": null},
    ]))
    .unwrap();
    let task = |time_ns, from: u16, to: u16| Recorded {
        time_ns,
        pid: Some(Pid(4242)),
        nodes: (NodeId(from), NodeId(to)),
        what: RecordedWhat::Task {
            tid: Tid(4243),
            cpus: (CpuId(u32::from(from) * 2), CpuId(u32::from(to) * 2 + 1)),
            reason: MoveReason::Wakeup,
        },
    };
    let pages = Recorded {
        time_ns: 2_500,
        pid: None,
        nodes: (NodeId(0), NodeId(1)),
        what: RecordedWhat::Pages {
            moved_by: Pid(4243),
            pages: 8,
        },
    };
    // The last records are of a process without a name, from before the session, and from after it.
    let mut stranger = task(9_000, 0, 1);
    stranger.pid = Some(Pid(77));
    let (early, late) = (task(900, 0, 1), task(u64::MAX, 0, 1));
    let recorded = [
        task(1_100, 0, 1),
        task(2_000, 1, 0),
        pages,
        stranger,
        early,
        late,
    ];
    let packets = decode(&render(std::slice::from_ref(&snapshot), &recorded));
    let tracks = tracks(&packets);
    let mut on: BTreeMap<String, usize> = BTreeMap::new();
    for event in events(&packets) {
        let name = text(&event, "name");
        if name.contains(" to node ") {
            let (track, _) = &tracks[&number(&event, "track_uuid").unwrap()];
            *on.entry(format!("{track}: {name}")).or_default() += 1;
        }
    }
    let wanted = [
        "CPU 0: worker (4243) to node 1: wakeup",
        "CPU 2: worker (4243) to node 0: wakeup",
        "page migrations: 8 pages to node 1",
    ];
    assert_eq!(on.len(), wanted.len(), "{on:#?}");
    assert_eq!(on[wanted[0]], 2, "its own and the stranger's: {on:#?}");
    assert!(wanted.iter().all(|name| on.contains_key(*name)), "{on:#?}");
    let stays = packets
        .iter()
        .filter_map(|packet| part(packet, "track_event"))
        .filter(|event| text(event, "name").starts_with("node "));
    assert_eq!(
        stays.count(),
        3 + 2,
        "three of the worker, two of the stranger"
    );
}
