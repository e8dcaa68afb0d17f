//! The cost of a file: two seconds, and 64 MiB of both processes.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use numatrace::reader::Reader;

const TIME: Duration = Duration::from_secs(2);
const MEMORY_KB: i64 = 64 << 10;

/// Does something, and checks that neither this process nor one of its children became larger or
/// slower than a hostile file may make them.
pub fn within<T>(what: &str, reader: &mut Reader, work: impl FnOnce(&mut Reader) -> T) -> T {
    let began = Instant::now();
    let done = work(reader);
    let took = began.elapsed();
    if let Some(process) = reader.process() {
        let kb = peak_kb(&format!("/proc/{process}/status"));
        println!("{what}: {took:?}, reader {kb} kB");
        assert!(kb < MEMORY_KB, "{what}: the reader took {kb} kB");
    }
    // Readers that have ended count here.
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let own = peak_kb("/proc/self/status");
    println!("{what}: {took:?}, children at most {children} kB, this process {own} kB");
    assert!(children < MEMORY_KB, "{what}: a reader took {children} kB");
    assert!(own < MEMORY_KB, "{what}: the tracer took {own} kB");
    assert!(took < TIME, "{what}: {took:?}");
    done
}

fn peak_kb(status: &str) -> i64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
