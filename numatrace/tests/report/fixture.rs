//! Reports made by hand: machines of any number of nodes, sessions of any kind. Every one keeps the report's rules, because the
//! audit is summed up from the processes here as it is in a session.

use numatrace::ids::{CpuId, NodeId, Pid, Tid};
use numatrace::model::{
    Alloc, Audit, AuditNode, BalancerVerdict, BalancerWork, Balancing, ByClass, ByKind, Cause,
    ClassTally, Cost, CostMethod, Counter, CounterAudit, Coverage, CrossCheck, CrossCheckKind,
    Disagreement, EndedBy, Equations, Explained, FailedByCause, FaultSlice, FirstTouch, HintFaults,
    Hook, Host, HostNode, Latency, LatencyBucket, Marks, Matrix, MoveReason, MovedBy, Name,
    PageMigrations, PerNode, PolicyMode, Process, ProcessKind, RemoteByCause, Scope, Session,
    Snapshot, Stay, System, TaskMoves, Thread, Verdict, Verify, finding,
};

/// A machine of `nodes` nodes with two CPUs and 512 MiB each.
pub fn host(nodes: u16) -> Host {
    let distance = |from: u16| {
        (0..nodes)
            .map(|to| if from == to { 10 } else { 21 })
            .collect()
    };
    Host {
        kernel: "6.12.117".into(),
        arch: "x86_64".into(),
        page_size: 4096,
        numa_balancing: Some(u32::from(nodes > 1)),
        nodes: (0..nodes)
            .map(|node| HostNode {
                node: NodeId(node),
                cpus: [2 * node, 2 * node + 1]
                    .map(|cpu| CpuId(u32::from(cpu)))
                    .to_vec(),
                mem_kb: Some(512 * 1024),
                distance: Some(distance(node)),
            })
            .collect(),
    }
}

/// A system-wide session of ten seconds on `nodes` nodes, with exact hooks, nothing lost, nobody traced.
pub fn quiet(nodes: u16) -> Snapshot {
    let start = "2026-01-02T03:04:05.678Z".parse().expect("a timestamp");
    let mut snapshot = Snapshot::new(host(nodes), Session::new("trace", start, 10.02));
    snapshot.hooks = vec![
        Hook::attached("page_alloc", "fexit get_page_from_freelist"),
        Hook::attached(
            "task_life",
            "tp_btf sched_process_fork, sched_process_exec, sched_process_exit",
        ),
    ];
    snapshot.coverage = Coverage {
        records: Some(50_123),
        ..Coverage::zeros()
    };
    snapshot.cost = Cost {
        method: Some(CostMethod::Sampled),
        bpf_ns: Some(8_123_450),
        bpf_runs: Some(501_230),
        bpf_cpu_share: Some(0.0004),
        tracer_cpu_s: Some(0.11),
        tracer_rss_kb: Some(21_000),
        ..Cost::default()
    };
    snapshot
}

/// What one process allocated, per node of the page: how many local, how many remote, and why those were.
pub fn alloc(local: &[u64], remote: &[u64], cause: fn(&mut RemoteByCause) -> &mut u64) -> Alloc {
    let local = PerNode(local.to_vec());
    let remote = PerNode(remote.to_vec());
    let mut all = local.clone();
    all.add(&remote);
    let mut causes = RemoteByCause::default();
    *cause(&mut causes) = remote.total();
    let modes = Some(causes.policy).filter(|by_policy| *by_policy > 0);
    let mut classes = ByClass::default();
    classes.user_4k.add(all.total(), all.total());
    Alloc {
        numa_hit: Some(all.clone()),
        pages: Some(all),
        policy_by_mode: Some(
            modes
                .map(|count| (PolicyMode::Bind, count))
                .into_iter()
                .collect(),
        ),
        by_class: Some(classes),
        remote_by_cause: Some(causes),
        ..Alloc {
            local_node: Some(local.clone()),
            other_node: Some(remote),
            ..Alloc::zeros(local.0.len())
        }
    }
}

/// A program with these allocations.
pub fn program(pid: u32, comm: impl Into<Name>, alloc: Alloc) -> Process {
    Process {
        ns_pid: Some(Pid(pid)),
        exe: Some("/usr/bin/app".into()),
        cgroup: Some("/user.slice".into()),
        alloc: Some(alloc),
        ..Process::new(Pid(pid), u64::from(pid) * 1000, comm, ProcessKind::User)
    }
}

/// The buckets of a session, with a little in them.
pub fn buckets(nodes: usize) -> Vec<Process> {
    let few = |count: u64| {
        alloc(&vec![count; nodes], &vec![0; nodes], |causes| {
            &mut causes.unknown
        })
    };
    vec![
        Process {
            alloc: Some(few(12)),
            ..Process::irq()
        },
        Process {
            alloc: Some(few(500)),
            ..Process::out_of_scope()
        },
    ]
}

/// Sums the processes up into an exact audit, then lets the kernel have counted `missed` more hits on the first node.
pub fn audited(mut snapshot: Snapshot, missed: u64) -> Snapshot {
    let total = snapshot
        .alloc_total()
        .unwrap_or_else(|| Alloc::zeros(snapshot.host.nodes.len()));
    let nodes = snapshot
        .host
        .nodes
        .iter()
        .enumerate()
        .map(|(position, node)| {
            AuditNode::new(node.node, |counter| {
                let traced = total.counter(counter).map(|counts| counts.at(position));
                let skipped = match counter {
                    Counter::NumaHit | Counter::LocalNode if position == 0 => missed,
                    _ => 0,
                };
                CounterAudit::new(Some(traced.unwrap_or(4711) + skipped), traced)
            })
        });
    let nodes: Vec<AuditNode> = nodes.collect();
    snapshot.audit = Audit {
        verdict: if missed == 0 {
            Verdict::Exact
        } else {
            Verdict::WithinMisses
        },
        why: None,
        equations: Equations::of(&nodes),
        cross_check: Vec::new(),
        nodes,
        explained: if missed == 0 {
            Vec::new()
        } else {
            vec![Explained::new(Cause::RecursionMisses, missed)]
        },
        unexplained: Some(0),
    };
    snapshot.coverage.recursion_misses = Some(missed);
    snapshot
}

/// Two nodes, the whole system: a database bound to the wrong node, a program that spilled over, quiet ones.
pub fn two_nodes() -> Snapshot {
    let mut snapshot = quiet(2);
    let mut spilled = alloc(&[700, 0], &[0, 300], |causes| &mut causes.fallback);
    spilled.numa_hit = Some(PerNode(vec![700, 0]));
    spilled.numa_miss = Some(PerNode(vec![0, 300]));
    spilled.numa_foreign = Some(PerNode(vec![300, 0]));
    let mut database = alloc(&[164_000, 0], &[0, 51_200], |causes| &mut causes.policy);
    if let Some(causes) = database.remote_by_cause.as_mut() {
        *causes = RemoteByCause {
            policy: 51_000,
            kernel_node: 200,
            ..RemoteByCause::default()
        };
    }
    database.policy_by_mode = Some([(PolicyMode::Bind, 51_000)].into());
    // Nearly all of it user pages; the rest is the kernel's work for it.
    if let Some(classes) = database.by_class.as_mut() {
        classes.user_4k = ClassTally {
            allocations: 215_000,
            pages: 215_000,
        };
        classes.page_table.add(150, 150);
        classes.kernel.add(50, 50);
    }
    let kswapd = Process {
        kind: ProcessKind::Kthread,
        ..program(77, "kswapd0", alloc(&[3, 0], &[0, 0], |c| &mut c.unknown))
    };
    snapshot.processes = vec![
        program(4242, "postgres", database),
        program(911, "spill", spilled),
        program(
            1,
            "systemd",
            alloc(&[10, 4], &[0, 0], |causes| &mut causes.unknown),
        ),
        kswapd,
        Process {
            alloc: Some(alloc(&[12, 0], &[0, 0], |causes| &mut causes.unknown)),
            ..Process::irq()
        },
    ];
    let mut snapshot = audited(snapshot, 2);
    snapshot.audit.cross_check = vec![
        CrossCheck {
            what: CrossCheckKind::Pages,
            kernel: Some(216_231),
            traced: Some(216_229),
            residual: Some(2),
        },
        CrossCheck {
            what: CrossCheckKind::HintFaults,
            kernel: Some(0),
            traced: Some(0),
            residual: Some(0),
        },
        CrossCheck {
            what: CrossCheckKind::PageMigrations,
            kernel: Some(64),
            traced: None,
            residual: None,
        },
    ];
    snapshot
}

/// Two nodes, one launched program, with everything measured that hooks can measure.
pub fn launched() -> Snapshot {
    let mut snapshot = quiet(2);
    snapshot.session.scope = Scope {
        launched: vec!["./app".into(), "--threads=2".into()],
        ..Scope::default()
    };
    snapshot.session.ended_by = Some(EndedBy::Exit);
    snapshot.session.exit_status = Some(0);
    snapshot
        .hooks
        .push(Hook::attached("task_move", "tp_btf sched_migrate_task"));
    let matrix = |rows: [[u64; 2]; 2]| Some(Matrix(rows.map(|row| PerNode(row.to_vec())).to_vec()));
    let mut app = program(
        4242,
        "app",
        alloc(&[16_400, 0], &[0, 100], |causes| &mut causes.policy),
    );
    app.first_touch = Some(FirstTouch {
        pages: matrix([[16_390, 100], [0, 0]]),
        by_kind: Some(ByKind {
            anon: Some(16_384),
            heap: Some(20),
            stack: Some(6),
            file: Some(80),
            shmem: Some(0),
            hugetlb: Some(0),
        }),
        marks: Some(Marks {
            cow: Some(10),
            thp: Some(0),
        }),
    });
    app.hint_faults = Some(HintFaults {
        matrix: matrix([[0, 0], [8100, 0]]),
        migrated: Some(4096),
    });
    app.page_migrations = Some(PageMigrations {
        matrix: matrix([[0, 4096], [0, 0]]),
        by_reason: Some([("numa_misplaced".to_owned(), 4096)].into()),
        failed: Some(0),
        failed_by_cause: Some(FailedByCause::default()),
        latency_us: Latency {
            p50: Some(3.1),
            p99: Some(21.0),
            max: Some(88.0),
            histogram: vec![LatencyBucket {
                us: 3.1,
                count: 4096,
            }],
        },
        call_latency_us: Latency::default(),
        moved_by: Some(vec![MovedBy {
            comm: None,
            pid: Pid(4242),
            pages: 4096,
        }]),
    });
    app.task_moves = Some(TaskMoves {
        total: Some(5),
        cross_node: Some(2),
        cross_node_per_s: Some(0.2),
        matrix: matrix([[0, 1], [1, 0]]),
        by_reason: Some([(MoveReason::Wakeup, 1), (MoveReason::Affinity, 1)].into()),
        ping_pong: Some(1),
        to_waker: Some(1),
        stay_ms: Some(Stay {
            shortest: 12.5,
            median: 12.5,
        }),
        cpus: None,
    });
    app.balancer = Some(Balancing {
        work: BalancerWork {
            scans: Some(12),
            scan_ns: Some(8_200_000),
            pte_updates: Some(16_400),
            fault_ns: Some(41_000_000),
            migrate_ns: Some(30_500_000),
            vmas_skipped: Some([("shared_ro".to_owned(), 24)].into()),
        },
        slices: vec![
            FaultSlice {
                until_s: 5.0,
                faults: 5_000,
                remote: 5_000,
            },
            FaultSlice {
                until_s: 10.0,
                faults: 3_100,
                remote: 100,
            },
        ],
        verdict: Some(BalancerVerdict::Helping),
        evidence: vec![
            "of its first 5,000 hint faults 100 % were remote, of the 3,100 after them 3.2 %"
                .to_owned(),
        ],
    });
    app.run_ns = Some(PerNode(vec![900_000_000, 2_100_000_000]));
    let main = Thread {
        alloc: Some(alloc(&[16_400, 0], &[0, 0], |causes| &mut causes.unknown)),
        run_ns: Some(PerNode(vec![900_000_000, 0])),
        ..Thread::new(Tid(4242), "app")
    };
    let worker = Thread {
        alloc: Some(alloc(&[0, 0], &[0, 100], |causes| &mut causes.policy)),
        hint_faults: Some(HintFaults {
            matrix: matrix([[0, 0], [8100, 0]]),
            migrated: Some(4096),
        }),
        run_ns: Some(PerNode(vec![0, 2_100_000_000])),
        ..Thread::new(Tid(4243), "worker")
    };
    app.threads = vec![main, worker];
    snapshot.verify = Some(Verify {
        moves: 5,
        agreed: 4,
        disagreed: vec![Disagreement {
            reason: MoveReason::Wakeup,
            stack_says: "load_balance".into(),
            count: 1,
            stack: vec!["set_task_cpu".into(), "detach_task".into()],
        }],
        unclassified: Vec::new(),
    });
    snapshot.processes = vec![app];
    snapshot.processes.extend(buckets(2));
    audited(snapshot, 0)
}

/// The same two nodes where fentry is refused: hits and misses are unknown, and page_alloc says why.
pub fn fallback() -> Snapshot {
    let mut snapshot = two_nodes();
    for process in &mut snapshot.processes {
        if let Some(alloc) = process.alloc.as_mut() {
            alloc.numa_hit = None;
            alloc.numa_miss = None;
            alloc.numa_foreign = None;
            alloc.interleave_hit = None;
            alloc.remote_by_cause = None;
        }
    }
    let mut snapshot = audited(snapshot, 0);
    snapshot.hooks = vec![
        Hook::fallback(
            "page_alloc",
            "tp_btf mm_page_alloc",
            "fexit get_page_from_freelist: operation not supported",
            "numa_hit, numa_miss, numa_foreign and interleave_hit, and why allocations were remote",
        ),
        Hook::absent(
            "numastat_fold",
            "fentry fold_vm_numa_events: operation not supported",
            "an audit to the last allocation",
        ),
        Hook::attached(
            "task_life",
            "tp_btf sched_process_fork, sched_process_exec, sched_process_exit",
        ),
    ];
    snapshot.audit.verdict = Verdict::Approximate;
    snapshot.audit.why =
        Some("page_alloc is on its fallback, which does not see bulk allocations".into());
    snapshot.audit.explained = vec![Explained {
        cause: Cause::HookLost,
        count: None,
        hook: Some("page_alloc".into()),
    }];
    snapshot.audit.unexplained = None;
    snapshot.cost.method = None;
    snapshot.cost.bpf_ns = None;
    snapshot.cost.bpf_cpu_share = None;
    snapshot
}

/// Names chosen to take over a terminal or a table.
pub fn hostile() -> Snapshot {
    let mut snapshot = two_nodes();
    let names: [&[u8]; 5] = [
        b"\x1b[2J\x1b[31mroot",
        b"a\nPID  process",
        "x\u{202e}gpj.exe".as_bytes(),
        b"\xff\xfe\x00bin",
        b"    ",
    ];
    for (process, name) in snapshot.processes.iter_mut().zip(names) {
        process.comm = Name::from(name);
        process.exe = Some(Name::from(name));
        process.cgroup = Some(Name::from(name));
    }
    snapshot.session.scope.launched = vec![Name::from(&b"./\x07bell\r"[..])];
    if let Some(first) = snapshot.processes.first_mut() {
        first.threads = vec![
            Thread::new(Tid(1), &b"\x9b31m"[..]),
            Thread::new(Tid(2), "ok"),
        ];
    }
    snapshot
}

/// Ten thousand processes on four nodes, pid by pid a little more remote; records lost, a table full.
pub fn crowd() -> Snapshot {
    let mut snapshot = quiet(4);
    snapshot.processes = (1..=10_000_u64)
        .map(|n| {
            let pid = u32::try_from(n).unwrap_or(u32::MAX);
            program(
                pid,
                format!("worker-{n}"),
                alloc(&[1000, 0, 10, 0], &[0, n, 0, n / 2], |causes| {
                    &mut causes.policy
                }),
            )
        })
        .collect();
    let overflow = alloc(&[2_000_000, 0, 0, 0], &[0; 4], |causes| &mut causes.unknown);
    snapshot.processes.push(Process {
        alloc: Some(overflow),
        ..Process::overflow()
    });
    snapshot.coverage.records_lost = Some(12_345);
    snapshot.coverage.lost_by_kind = [("touch_run".to_owned(), 12_345)].into();
    snapshot.coverage.full_tables = [("processes".to_owned(), 512)].into();
    audited(snapshot, 0)
}

/// Sixty-four nodes, sparse numbers, each with work of its own and a neighbour's, one without memory and one without CPUs.
pub fn sixty_four_nodes() -> Snapshot {
    let mut snapshot = quiet(64);
    for (position, node) in snapshot.host.nodes.iter_mut().enumerate() {
        node.node = NodeId(node.node.0 * 4);
        match position {
            7 => node.mem_kb = Some(0),
            9 => node.cpus.clear(),
            _ => {}
        }
    }
    snapshot.processes = (0..64_usize)
        .map(|home| {
            let mut local = vec![0; 64];
            let mut remote = vec![0; 64];
            let count = u64::try_from(home).unwrap_or(0) * 1000;
            if let Some(slot) = local.get_mut(home) {
                *slot = 100_000;
            }
            if let Some(slot) = remote.get_mut((home + 1) % 64) {
                *slot = count;
            }
            let pid = u32::try_from(home).unwrap_or(0) + 100;
            let mut process = program(
                pid,
                format!("rank-{home}"),
                alloc(&local, &remote, |causes| &mut causes.policy),
            );
            process.run_ns = Some(PerNode(local.iter().map(|count| count * 10_000).collect()));
            process
        })
        .collect();
    let mut moves = Matrix::zeros(64);
    for from in 0..63 {
        moves.add_at(from, from + 1, 64 - u64::try_from(from).unwrap_or(0));
    }
    let crossed = moves.total();
    snapshot.system = Some(System {
        task_moves: Some(TaskMoves {
            total: Some(crossed * 3),
            cross_node: Some(crossed),
            cross_node_per_s: None,
            matrix: Some(moves),
            by_reason: Some([(MoveReason::LoadBalance, crossed)].into()),
            ping_pong: Some(0),
            to_waker: None,
            stay_ms: None,
            cpus: None,
        }),
        ..System::default()
    });
    audited(snapshot, 3)
}

/// One node: everything is local there.
pub fn one_node() -> Snapshot {
    let mut snapshot = quiet(1);
    snapshot.processes = vec![program(
        4242,
        "app",
        alloc(&[51_200], &[0], |causes| &mut causes.unknown),
    )];
    snapshot.processes.extend(buckets(1));
    audited(snapshot, 0)
}

/// Two nodes with CPUs, one of them without memory; everything its CPUs ask for comes from the other.
pub fn memoryless() -> Snapshot {
    let mut snapshot = quiet(2);
    if let Some(node) = snapshot.host.nodes.get_mut(1) {
        node.mem_kb = Some(0);
    }
    let remote = alloc(&[4_000, 0], &[6_000, 0], |causes| &mut causes.memoryless);
    snapshot.processes = vec![program(4242, "app", remote)];
    audited(snapshot, 0)
}

/// Two nodes, a program that keeps to its own, as it should.
pub fn well_placed() -> Snapshot {
    let mut snapshot = quiet(2);
    let local = alloc(&[50_000, 30_000], &[40, 10], |causes| {
        &mut causes.kernel_node
    });
    snapshot.processes = vec![program(4242, "app", local)];
    audited(snapshot, 0)
}

/// Two nodes, a program that interleaves over both.
pub fn interleaved() -> Snapshot {
    let mut snapshot = quiet(2);
    let mut both = alloc(&[5_000, 0], &[0, 5_000], |causes| &mut causes.policy);
    both.interleave_hit = Some(PerNode(vec![5_000, 5_000]));
    snapshot.processes = vec![program(4242, "app", both)];
    audited(snapshot, 0)
}

/// Every fixture by name, with its findings.
pub fn all() -> Vec<(&'static str, Snapshot)> {
    let mut all = vec![
        ("one_node", one_node()),
        ("two_nodes", two_nodes()),
        ("launched", launched()),
        ("fallback", fallback()),
        ("hostile", hostile()),
        ("crowd", crowd()),
        ("sixty_four_nodes", sixty_four_nodes()),
        ("memoryless", memoryless()),
        ("well_placed", well_placed()),
        ("interleaved", interleaved()),
        ("nothing_traced", quiet(2)),
    ];
    for (_, snapshot) in &mut all {
        snapshot.findings = finding::diagnose(snapshot);
    }
    all
}
