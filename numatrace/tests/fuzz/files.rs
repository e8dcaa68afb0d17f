//! Files of `/proc` and `/sys`, as a different kernel or a container may have them: this machine's
//! own, shaken.

use std::{
    fs,
    path::{Path, PathBuf},
};

use numatrace::{
    attach::{kallsyms::Symbols, preflight::Host},
    capture::fdinfo::ProgramFdInfo,
    capture::sys::{
        buddyinfo, cgroup, hugepages, limits, list, meminfo, mounts::Mounts, numa_maps, numastat,
        proc_files::ProcFiles, process, smaps, threads, vmstat, zone_sums, zoneinfo,
    },
    enrich::{
        maps,
        topology::{Topology, caches, devices, installed, knobs, memory},
    },
    ids::{NodeId, Pid},
};

use crate::{campaign, dice::Dice};

/// The process whose files the tree has.
const PID: u32 = 7;

/// Files of the machine below `/`.
const MACHINE: [&str; 24] = [
    "proc/meminfo",
    "proc/vmstat",
    "proc/zoneinfo",
    "proc/buddyinfo",
    "proc/cpuinfo",
    "proc/cmdline",
    "sys/devices/system/node/online",
    "sys/devices/system/node/possible",
    "sys/devices/system/node/has_memory",
    "sys/devices/system/node/has_normal_memory",
    "sys/devices/system/node/has_cpu",
    "sys/devices/system/node/node0/meminfo",
    "sys/devices/system/node/node0/numastat",
    "sys/devices/system/node/node0/vmstat",
    "sys/devices/system/node/node0/cpulist",
    "sys/devices/system/node/node0/distance",
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/possible",
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
    "proc/sys/kernel/numa_balancing",
    "proc/sys/vm/zone_reclaim_mode",
];

/// Files of a process, below its folder.
const PROCESS: [&str; 10] = [
    "stat",
    "status",
    "comm",
    "cmdline",
    "cgroup",
    "maps",
    "smaps",
    "numa_maps",
    "mountinfo",
    "uid_map",
];

/// A copy of the files that this machine has.
struct Tree {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Tree {
    fn of_this_machine() -> Self {
        let mut files = Vec::new();
        for name in MACHINE {
            if let Ok(bytes) = fs::read(Path::new("/").join(name)) {
                files.push((name.into(), bytes));
            }
        }
        for name in PROCESS {
            let Ok(bytes) = fs::read(Path::new("/proc/self").join(name)) else {
                continue;
            };
            for who in ["self", "7", "7/task/7"] {
                files.push((Path::new("proc").join(who).join(name), bytes.clone()));
            }
        }
        files.push((
            "proc/kallsyms".into(),
            b"ffffffff81000000 T _text\n000000000002c0f8 A __preempt_count\n\
              ffffffff82000000 D __per_cpu_offset [x]\n"
                .to_vec(),
        ));
        files.push((
            "sys/fs/cgroup/a/memory.numa_stat".into(),
            b"anon N0=4096 N1=0\nworkingset_refault_file N0=1 N1=2\n".to_vec(),
        ));
        Self { files }
    }

    fn write(&self, root: &Path) {
        for (name, bytes) in &self.files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Changes some files; returns those that were.
    fn shake(&self, root: &Path, dice: &mut Dice) -> Vec<usize> {
        let mut changed = Vec::new();
        for _ in 0..=dice.throw(6) {
            let which = dice.throw(self.files.len());
            let (name, bytes) = &self.files[which];
            let mut bytes = bytes.clone();
            for _ in 0..=dice.throw(5) {
                dice.shake_text(&mut bytes);
            }
            fs::write(root.join(name), bytes).unwrap();
            changed.push(which);
        }
        changed
    }

    fn mend(&self, root: &Path, changed: &[usize]) {
        for which in changed {
            let (name, bytes) = &self.files[*which];
            fs::write(root.join(name), bytes).unwrap();
        }
    }
}

/// Reads everything of the machine; returns whether its nodes could be told.
fn machine(root: &Path) -> bool {
    let _ = Host::read(root);
    let _ = buddyinfo::read(root);
    let _ = meminfo::read_system(root);
    let _ = vmstat::read_system(root);
    let _ = zoneinfo::read(root);
    let _ = zone_sums::read(root);
    let _ = cgroup::read(root, Path::new("/a"));
    let _ = Mounts::of_self(root).map(|mounts| mounts.file_system(b"/proc/self").map(str::len));
    let _ = limits::read(root, "self");
    let symbols = Symbols::of_session(&root.join("proc/kallsyms"));
    let _ = symbols.address("__preempt_count");
    let _ = hugepages::default_size_kb(root);
    for node in [0, 1, u16::MAX].map(NodeId) {
        let _ = meminfo::read_node(root, node);
        let _ = vmstat::read_node(root, node);
        let _ = numastat::read_node(root, node);
        let _ = hugepages::read_node(root, node);
        let _ = zone_sums::numastat_or_zones(root, node);
    }
    let _ = knobs::read(root);
    let Ok(topology) = Topology::read(root) else {
        return false;
    };
    let _ = caches::read(root, &topology);
    let _ = caches::of_all_cpus(root, &topology);
    let _ = devices::read(root, &topology);
    let _ = installed::cpus(root, &topology);
    let _ = installed::isolated(root);
    let _ = memory::tiers(root);
    let _ = memory::access(root, &topology);
    let _ = topology.flat_distances(true);
    for node in topology.node_ids() {
        let _ = topology.fallback_order(node);
    }
    true
}

/// Reads everything of a process.
fn process(root: &Path) {
    let pid = Pid(PID);
    let mut files = ProcFiles::open(root).unwrap();
    let _ = process::all(root);
    let _ = process::comm(&mut files, pid).map(<[u8]>::len);
    let _ = process::matches(&mut files, pid, b"numatrace");
    let _ = process::with_children(root, &mut files, &[pid]);
    let _ = threads::all(root, pid);
    let _ = numa_maps::for_each(&mut files, pid, |line| {
        let _ = line.is_of_a_file();
    });
    let _ = smaps::for_each(&mut files, pid, |_| {});
    let _ = Mounts::of(&mut files, pid).map(|mounts| mounts.below(b"/").count());
    let _ = limits::read(root, "7");
    for name in ["maps", "status", "cgroup", "stat"] {
        let bytes = fs::read(root.join("proc/7").join(name)).unwrap_or_default();
        let _ = maps::parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = ProgramFdInfo::parse(&text);
        let _ = list::parse_kernel(&text);
    }
}

#[test]
fn files_of_proc_and_sys() {
    let tree = Tree::of_this_machine();
    let folder = tempfile::tempdir().unwrap();
    tree.write(folder.path());
    assert!(machine(folder.path()), "this machine's own files are read");
    campaign::run("files", 150, |dice| {
        let changed = tree.shake(folder.path(), dice);
        let read = machine(folder.path());
        process(folder.path());
        tree.mend(folder.path(), &changed);
        read
    });
}
