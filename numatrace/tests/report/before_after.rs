//! Two sessions of one program: with a first-touch bug, and with it mended.

use numatrace::ids::Pid;
use numatrace::model::{Mapping, Snapshot, finding};
use serde_json::json;

use crate::fixture;

/// 64 MiB that `init` touched on node 0 and the worker uses from node 1.
pub fn bug() -> Snapshot {
    let mut snapshot = fixture::launched();
    let process = &mut snapshot.processes[0];
    process.mappings = vec![region(0, [[0, 0], [8_000, 100]], 16_384)];
    if let Some(hints) = process.hint_faults.as_mut() {
        hints.matrix = serde_json::from_value(json!([[0, 0], [8_000, 100]])).unwrap();
    }
    finished(snapshot)
}

/// The worker touches itself what it uses; another pid, another address.
pub fn mended() -> Snapshot {
    let mut snapshot = fixture::launched();
    let process = &mut snapshot.processes[0];
    process.pid = Pid(5151);
    process.start_ns += 1_000;
    let mut region = region(1, [[10, 0], [20, 7_970]], 0);
    region.start.0 += 0x10_0000_0000;
    region.end.0 += 0x10_0000_0000;
    process.mappings = vec![region];
    if let Some(hints) = process.hint_faults.as_mut() {
        hints.matrix = serde_json::from_value(json!([[10, 0], [20, 7_970]])).unwrap();
    }
    finished(snapshot)
}

fn finished(mut snapshot: Snapshot) -> Snapshot {
    snapshot.stacks = serde_json::from_value(json!([{"id": 0, "frames": [
        {"addr": "0x401000", "symbol": "fill", "module": "app", "offset": 4, "line": "app.c:7", "inlined": true},
        {"addr": "0x401000", "symbol": "init_matrix", "module": "app", "offset": 4, "line": "app.c:41", "inlined": false},
        {"addr": "0x402000", "symbol": null, "module": "libc.so.6", "offset": 660, "line": null, "inlined": false},
    ]}]))
    .unwrap();
    snapshot.findings = finding::diagnose(&snapshot);
    snapshot
}

fn region(node: usize, faults: [[u64; 2]; 2], surprise: u64) -> Mapping {
    let mut pages = [[0; 2]; 2];
    pages[node][node] = 16_384_u64;
    serde_json::from_value(json!({
        "start": "0x7f0000000000", "end": "0x7f0004000000", "kind": "anon", "name": "[anon]",
        "first_touch": {
            "pages": pages,
            "by_tid": [{"tid": 4242, "pages": 16_384, "remote": 0, "node": node}],
            "stacks": [0],
            "by_stack": [{"id": 0, "pages": 16_000, "remote": 0}],
        },
        "hint_faults": {"matrix": faults, "migrated": 0},
        "users": [{"tid": 4243, "faults": faults[1][0] + faults[1][1], "remote": faults[1][0], "node": 1}],
        "surprise_pages": surprise,
    }))
    .unwrap()
}
