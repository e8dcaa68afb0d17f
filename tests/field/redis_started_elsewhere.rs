//! Redis was started and filled on one node, and serves from another; NUMA balancing is off, as its
//! users advise one another.
//!
//! Sources: "disable numa_balancing fixed this", <https://github.com/redis/redis/issues/8774>; "how
//! check numa_balancing?", <https://github.com/redis/redis/issues/5217>.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::{skipped, tracer::DEADLINE};
use numatrace_tests::test_name;
use numatrace_tests::workload::nodes::Nodes;

use super::{report, trace};
use crate::two_nodes_or_skip;

/// Folder of the server, its loader and its libraries in a guest.
const HOME: &str = "/opt/redis";
const SOCKET: &str = "/tmp/redis.sock";

/// Values of this size, and as many.
const VALUE: usize = 32 << 10;
const KEYS: usize = 2_000;

/// A server that ends with the test.
struct Redis(Running);

impl Redis {
    fn start() -> Self {
        let home = Path::new(HOME);
        let mut command = Command::new(home.join("ld.so"));
        command
            .args(["--library-path", HOME])
            .arg(home.join("redis-server"));
        command.args(["--port", "0", "--unixsocket", SOCKET, "--save", ""]);
        Self(Running::start(&mut command).unwrap())
    }

    fn connect(&self) -> UnixStream {
        // "Ready to accept connections unix", or "The server is now ready to accept …" of 6.x.
        let ready = "eady to accept connections";
        self.0.wait_for_output(ready, DEADLINE).unwrap();
        UnixStream::connect(SOCKET).unwrap()
    }

    /// Binds all of its threads to the CPUs of a node.
    fn bind(&self, cpus: &[u32]) {
        let tasks = format!("/proc/{}/task", self.0.pid());
        for task in std::fs::read_dir(tasks).unwrap() {
            let tid = task.unwrap().file_name().into_string().unwrap();
            let mut set = CpuSet::new();
            for cpu in cpus {
                set.set(usize::try_from(*cpu).unwrap()).unwrap();
            }
            sched_setaffinity(Pid::from_raw(tid.parse().unwrap()), &set).unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.signal(nix::sys::signal::Signal::SIGKILL);
    }
}

/// Sends a command and waits for its answer, which is one line, or a value of [`VALUE`] bytes.
fn ask(stream: &mut UnixStream, command: &[u8], value: bool) {
    stream.write_all(command).unwrap();
    let least = if value { VALUE } else { 5 };
    let (mut answer, mut got) = (vec![0; VALUE + 64], 0);
    while got < least || !answer[..got].ends_with(b"\r\n") {
        let more = stream.read(&mut answer[got..]).unwrap();
        assert!(more > 0, "the server hung up");
        got += more;
    }
    assert_ne!(
        answer[0],
        b'-',
        "{}",
        String::from_utf8_lossy(&answer[..got])
    );
}

#[test]
fn redis_that_serves_from_the_other_node_is_named_in_the_first_sentence() {
    let (a, b) = two_nodes_or_skip!();
    if !Path::new(HOME).join("redis-server").exists() {
        skipped(
            test_name!(),
            "needs redis-server, which the lab could not fetch",
        );
        return;
    }
    let _off = Balancer::off().unwrap();
    let nodes = Nodes::read().unwrap();
    // The server inherits the CPUs, and with them the node of its memory.
    nodes.run_on(b).unwrap();
    let redis = Redis::start();
    let mut stream = redis.connect();
    nodes.run_anywhere().unwrap();
    let value = vec![b'v'; VALUE];
    for key in 0..KEYS {
        let mut command = format!("*3\r\n$3\r\nSET\r\n$6\r\n{key:06}\r\n${VALUE}\r\n").into_bytes();
        command.extend_from_slice(&value);
        command.extend_from_slice(b"\r\n");
        ask(&mut stream, &command, false);
    }
    redis.bind(nodes.cpus(a));

    let pid = redis.0.pid();
    let over = AtomicBool::new(false);
    let text = std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in (0..KEYS).cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let command = format!("*2\r\n$3\r\nGET\r\n$6\r\n{key:06}\r\n");
                ask(&mut stream, command.as_bytes(), true);
            }
        });
        let text = report(trace(&["-d", "4", "-p", &pid.to_string()]));
        over.store(true, Ordering::Relaxed);
        text
    });
    text.says(&format!("({pid}) is bound to node {a}, and "));
    text.says(&format!("MiB of its memory are on node {b}"));
    text.says(&format!("migratepages {pid} {b} {a}"));
}
