//! One recording read both ways: as the report makes its incidents from the timeline, and as a
//! screen would have shown them while the session ran.

use numatrace::{
    capture::{
        recording::{budget::Budget, bytes::Bytes, frame::Frames, records},
        totals::Sweep,
    },
    enrich::facts::replayed::ReplayedFacts,
    fold::live::Live,
    ingest::{Ingest, input::Input},
    label::frame,
    model::{Incident, Snapshot},
    recording::{
        chunks::{self, Chunk},
        wanted::Wanted,
    },
};

use crate::read;

/// A recording of a thread that ran away from its memory for a second and a half while a quarter of
/// it followed, on a guest with two nodes and Linux 6.12 (`numa_balancing=disable`: runs of
/// balancer moves that stay open to the end reach the report only): `numatrace record -q --stacks 0
/// -o away.nmt -- workload away --mib 4 --follow-mib 1 --node 0 --to 1 --ms 1500`.
const AWAY: &[u8] = include_bytes!("away.nmt");

/// The incidents that a screen shows until the end of a session, with the report's own as measure
/// of what was measured.
fn shown(bytes: &[u8], report: &Snapshot) -> Vec<Incident> {
    let mut ingest = Ingest::new(ReplayedFacts::default());
    let mut ended = None;
    let mut frames = Frames::open(bytes).unwrap();
    let mut buffer = Vec::new();
    while frames.next(&mut buffer).unwrap() {
        let mut rest = Bytes(&buffer);
        while let Some(chunk) = chunks::next(&mut rest, &mut Budget::default()).unwrap() {
            match chunk {
                Chunk::Facts(facts) => ingest.enrich.facts.learn(facts),
                Chunk::Records(bytes) => {
                    records::each(bytes, &mut |raw| {
                        ingest.record(raw);
                    })
                    .unwrap();
                }
                Chunk::Input(input, _) => {
                    ingest.apply(&input);
                    if let Input::Begin(reading, _) = *input {
                        ingest.watch(Live::default());
                        ended = Some((reading.at_ns, reading.at_ns));
                    } else if let Input::Boundary(reading, _) = *input {
                        ended = ended.map(|(began, _)| (began, reading.at_ns));
                    }
                }
                _ => {}
            }
        }
    }
    // Records that came after the last sweep wait for another one.
    ingest.apply(&Input::Sweep(Sweep {
        consistent: true,
        ..Sweep::default()
    }));
    let (began_ns, until_ns) = ended.unwrap();
    let Ingest { live, enrich, .. } = &mut ingest;
    let live = live.as_mut().unwrap();
    let absences = frame::absences(live, enrich, report, began_ns, until_ns);
    assert_eq!(absences.dropped, 0);
    [absences.ended, absences.open].concat()
}

fn in_order(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then(a.tid.cmp(&b.tid)));
    incidents
}

#[test]
fn a_screen_and_the_report_of_one_recording_have_the_same_incidents() {
    let (reports, outcome) = read(AWAY, Wanted::default()).unwrap();
    assert!(outcome.remarks.is_empty(), "{outcome:?}");
    let [report] = reports.as_slice() else {
        panic!("{} reports", reports.len());
    };
    let workload = report.incidents.iter().find(|one| one.comm == *"workload");
    let away = workload.expect("the workload was away");
    assert!(
        away.pages_left >= 1_024 && away.pages_followed >= 256,
        "{away:#?}"
    );
    assert!(
        away.back.is_some() && away.run_ms.unwrap() > 0.0,
        "{away:#?}"
    );
    assert_eq!(
        in_order(shown(AWAY, report)),
        in_order(report.incidents.clone())
    );
}
