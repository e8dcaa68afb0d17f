//! Hostile files: each costs its names, less than two seconds and less than 64 MiB, and the next
//! file has its names.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use numatrace::reader::{Kind, Lost, Reader, UNREADABLE};

use super::{
    cost::within,
    elf::{self, CODE, PROGBITS, STRTAB, SYMTAB, Section, compressed, symbols},
    support::{LINES, ask, honest, names, reader},
};

/// Writes a file into a folder of its own.
fn made(sections: &[Section]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile");
    elf::write(&path, sections);
    (folder, path)
}

/// Checks that an honest file has its names from the same reader.
fn still_works(reader: &mut Reader) {
    let honest = honest();
    let names = names(reader, &honest.path, &honest.code).unwrap();
    assert!(names.iter().flatten().any(|named| named.name == b"work"));
}

/// Reads a hostile file, and then an honest one.
fn costs(what: &str, path: &Path) -> Result<Vec<numatrace::reader::Place>, Lost> {
    // Before anything is measured, gcc has done its work.
    honest();
    let mut reader = reader();
    let got = within(what, &mut reader, |reader| names(reader, path, &[CODE + 8]));
    still_works(&mut reader);
    got
}

/// The writer of these files makes good ones, too.
#[test]
fn a_file_of_the_writer_has_its_names() {
    let (_folder, path) = made(&symbols("hello"));
    let got = costs("good", &path).unwrap();
    let named = got[0].as_ref().unwrap();
    assert_eq!((named.name.as_slice(), named.offset), (&b"hello"[..], 8));
}

#[test]
fn a_size_that_cannot_be_costs_the_names() {
    for claim in [u64::MAX, 1 << 46, 1 << 32, 64 << 20] {
        let [table, text] = symbols("hello");
        let (_folder, path) = made(&[table, text, compressed(".debug_info", claim, b"x")]);
        let got = costs(&format!("ch_size {claim:#x}"), &path);
        assert_eq!(got, Err(Lost::Memory), "{claim:#x}");
    }
}

#[test]
fn a_section_that_unpacks_to_gigabytes_costs_the_names() {
    let [table, text] = symbols("hello");
    // Its stated size is small.
    let bomb = compressed(".debug_info", 1000, &zeros(4 << 30));
    assert!(bomb.bytes.len() > 3 << 20);
    let (_folder, path) = made(&[table, text, bomb]);
    match costs("bomb", &path) {
        Err(why) => assert_eq!(why, Lost::Memory),
        // The library may notice that it gets no memory.
        Ok(places) => {
            let why = places[0].as_ref().unwrap_err();
            assert!(why.starts_with(UNREADABLE), "{why}");
        }
    }
}

#[test]
fn a_sparse_symbol_table_costs_the_names() {
    let mut table = symbols("hello")[0].clone();
    table.size = Some(24 * 100_000_000);
    let text = symbols("hello")[1].clone();
    let (_folder, path) = made(&[table, text]);
    let metadata = path.metadata().unwrap();
    assert!(metadata.len() > 2_400_000_000);
    assert_eq!(costs("sparse", &path), Err(Lost::TooLarge));

    // One that is not too large, were it there.
    let mut table = symbols("hello")[0].clone();
    table.size = Some(24 * 10_000_000);
    let text = symbols("hello")[1].clone();
    let (_folder, path) = made(&[table, text]);
    assert_eq!(costs("sparse, 240 MB", &path), Err(Lost::Sparse));
}

#[test]
fn one_part_of_a_file_under_many_names_is_not_read_many_times() {
    let names = [
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_str",
        ".debug_ranges",
        ".debug_addr",
        ".debug_loc",
        ".debug_types",
    ];
    let [table, text] = symbols("hello");
    let mut sections = vec![table, text];
    sections.extend(names.map(|name| Section::new(name, PROGBITS, vec![1; 1000])));
    let (_folder, path) = made(&sections);
    // Each claims all of the file.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let length = file.metadata().unwrap().len();
    let mut word = [0; 8];
    file.read_exact_at(&mut word, 40).unwrap();
    let headers = u64::from_le_bytes(word);
    for section in 3..3 + names.len() as u64 {
        let at = headers + 64 * section;
        file.write_all_at(&0u64.to_le_bytes(), at + 24).unwrap();
        file.write_all_at(&length.to_le_bytes(), at + 32).unwrap();
    }
    assert_eq!(costs("overlap", &path), Err(Lost::Damaged));
}

#[test]
fn a_link_to_debug_information_is_followed_by_the_tracer_only() {
    for name in ["fifo", "/etc/shadow", "../../../etc/shadow", "hostile"] {
        let [table, text] = symbols("hello");
        let (folder, path) = made(&[table, text, elf::debug_link(name, 7)]);
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // The folder is the current one of nobody, and the reader gets no file.
        let got = costs(name, &path).unwrap();
        assert_eq!(got[0].as_ref().unwrap().name, b"hello");
    }
}

#[test]
fn a_file_that_is_cut_while_it_is_read_costs_at_most_its_names() {
    let honest = honest();
    let mut reader = reader();
    let bytes = std::fs::read(&honest.path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let stop = Arc::new(AtomicBool::new(false));
    let cutter = std::thread::spawn({
        let (path, bytes, stop) = (path.clone(), bytes.clone(), Arc::clone(&stop));
        std::fs::write(&path, &bytes).unwrap();
        move || {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.set_len(0).unwrap();
                file.write_all_at(&bytes, 0).unwrap();
            }
        }
    });
    let (mut whole, mut lost) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        match names(&mut reader, &path, &honest.code) {
            Ok(_) => whole += 1,
            // Nothing has ended the reader.
            Err(Lost::Damaged | Lost::Sparse | Lost::Changed) => lost += 1,
            Err(why) => panic!("{why:?}"),
        }
        assert!(reader.process().is_some());
    }
    stop.store(true, Ordering::Relaxed);
    cutter.join().unwrap();
    println!("whole {whole}, lost {lost}");
    assert!(lost > 0, "it was never cut");
}

#[test]
fn a_file_that_is_cut_afterwards_keeps_its_names() {
    let honest = honest();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    std::fs::copy(&honest.path, &path).unwrap();
    let mut reader = reader();
    let (number, ..) = reader.take(File::open(&path).unwrap(), LINES);
    let (first, rest) = honest.code.split_at(1);
    assert_eq!(reader.names(number, first, &|_| None).unwrap().len(), 1);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    let got = reader.names(number, rest, &|_| None).unwrap();
    assert!(got.iter().flatten().any(|named| named.name == b"work"));
}

#[test]
fn a_perf_map_with_one_long_name_costs_a_short_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("perf-1.map");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"1000 100 ").unwrap();
    let part = vec![b'x'; 1 << 20];
    for _ in 0..40 {
        file.write_all(&part).unwrap();
    }
    file.write_all(b"\n2000 100 after\n").unwrap();
    let mut reader = reader();
    let got = within("perf map, one name", &mut reader, |reader| {
        ask(reader, &path, Kind::PerfMap, &[0x1000, 0x2000], &|_| None)
    });
    let got = got.unwrap();
    assert!(got[0].as_ref().unwrap().name.len() < 5000);
    assert_eq!(got[1].as_ref().unwrap().name, b"after");
}

#[test]
fn a_perf_map_with_millions_of_functions_costs_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("perf-1.map");
    let part = b"1000 100 f\n".repeat(100_000);
    let mut file = File::create(&path).unwrap();
    for _ in 0..40 {
        file.write_all(&part).unwrap();
    }
    let mut reader = reader();
    let got = within("perf map, many", &mut reader, |reader| {
        ask(reader, &path, Kind::PerfMap, &[0x1000], &|_| None)
    });
    assert_eq!(got, Err(Lost::TooLarge));
}

#[test]
fn a_long_symbol_is_cut() {
    let (_folder, path) = made(&symbols(&"y".repeat(8 << 20)));
    let got = costs("long symbol", &path).unwrap();
    let named = got[0].as_ref().unwrap();
    assert!(
        (4096..5000).contains(&named.name.len()),
        "{}",
        named.name.len()
    );
}

#[test]
fn symbols_that_all_have_one_long_name_cost_no_more() {
    let mut table = vec![0; 24];
    for _ in 0..40_000 {
        table.extend(elf::function(1));
    }
    let text = [&b"\0"[..], &vec![b'z'; 1 << 20], b"\0"].concat();
    let (_folder, path) = made(&[
        Section::new(".symtab", SYMTAB, table),
        Section::new(".strtab", STRTAB, text),
    ]);
    let _ = costs("many long symbols", &path);
}

#[test]
fn damage_anywhere_costs_at_most_the_names() {
    let honest = honest();
    let bytes = std::fs::read(&honest.path).unwrap();
    let path = honest.folder.path().join("damaged");
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut reader = reader();
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..400 {
        let mut damaged = bytes.clone();
        let length = damaged.len() as u64;
        for _ in 0..1 + random() % 16 {
            // A third of the damage is in the headers, which are at both ends.
            let at = match random() % 3 {
                0 => random() % 1024,
                1 => length - 1 - random() % 2400.min(length),
                _ => random() % length,
            };
            let at = usize::try_from(at).unwrap();
            damaged[at] = match random() % 3 {
                0 => 0xff,
                1 => 0,
                _ => u8::try_from(random() & 0xff).unwrap(),
            };
        }
        std::fs::write(&path, &damaged).unwrap();
        if seed % 20 == 0 {
            // A session would not wait for so many files in vain.
            reader = self::reader();
        }
        let got = within(&format!("seed {seed}"), &mut reader, |reader| {
            names(reader, &path, &honest.code)
        });
        let end = got.map_or_else(|why| format!("{why:?}"), |_| "names".to_owned());
        *ends.entry(end).or_default() += 1;
    }
    println!("{ends:?}");
    assert!(ends.len() > 1, "nothing was damaged: {ends:?}");
    still_works(&mut self::reader());
}

#[test]
fn a_signal_ends_the_wait_for_a_reader_that_hangs() {
    let honest = honest();
    let mut reader = reader();
    let signals = Arc::<AtomicU64>::default();
    reader.stop_at(Arc::clone(&signals));
    still_works(&mut reader);
    let process = i32::try_from(reader.process().unwrap()).unwrap();
    let process = nix::unistd::Pid::from_raw(process);
    nix::sys::signal::kill(process, nix::sys::signal::SIGSTOP).unwrap();
    let signal = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        signals.fetch_add(1, Ordering::Relaxed);
    });
    let began = Instant::now();
    let got = names(&mut reader, &honest.path, &honest.code);
    let took = began.elapsed();
    signal.join().unwrap();
    assert_eq!(got, Err(Lost::Interrupted));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let got = names(&mut reader, &honest.path, &honest.code);
    assert_eq!(got, Err(Lost::Interrupted));
    // The signals of before are not meant for the next report.
    reader.begin_report();
    still_works(&mut reader);
}

#[test]
fn a_reader_that_dies_costs_one_file() {
    let honest = honest();
    let mut reader = reader();
    let kind = LINES;
    let (first, ..) = reader.take(File::open(&honest.path).unwrap(), kind);
    let (second, ..) = reader.take(File::open(&honest.path).unwrap(), kind);
    let process = i32::try_from(reader.process().unwrap()).unwrap();
    let process = nix::unistd::Pid::from_raw(process);
    nix::sys::signal::kill(process, nix::sys::signal::SIGKILL).unwrap();
    let got = reader.names(first, &honest.code, &|_| None);
    assert_eq!(got, Err(Lost::Failed));
    // The new one gets the other file again, and the first stays lost.
    let got = reader.names(second, &honest.code, &|_| None).unwrap();
    assert!(got.iter().flatten().any(|named| named.name == b"work"));
    let got = reader.names(first, &honest.code, &|_| None);
    assert_eq!(got, Err(Lost::Failed));
}

#[test]
fn the_reader_has_given_up_what_it_does_not_need() {
    let mut reader = reader();
    still_works(&mut reader);
    let process = reader.process().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    for line in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    if nix::unistd::geteuid().is_root() {
        assert!(
            status.contains("Uid:\t65534\t65534\t65534\t65534"),
            "{status}"
        );
        assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    }
}

#[test]
fn a_reader_that_hangs_is_not_waited_for() {
    let honest = honest();
    let mut reader = reader();
    still_works(&mut reader);
    let process = i32::try_from(reader.process().unwrap()).unwrap();
    let process = nix::unistd::Pid::from_raw(process);
    nix::sys::signal::kill(process, nix::sys::signal::SIGSTOP).unwrap();
    let began = Instant::now();
    let got = names(&mut reader, &honest.path, &honest.code);
    assert_eq!(got, Err(Lost::TooLong));
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    still_works(&mut reader);
}

#[test]
fn a_program_that_is_no_reader_costs_the_names() {
    let honest = honest();
    for program in ["/bin/true", "/bin/cat", "/nonexistent"] {
        let mut reader = Reader::of(PathBuf::from(program));
        let got = names(&mut reader, &honest.path, &honest.code);
        assert_eq!(got, Err(Lost::NoReader), "{program}");
    }
}

/// Returns a zlib stream of so many zeros. After a full flush the same bytes mean the same again,
/// so only the first part is compressed.
fn zeros(count: usize) -> Vec<u8> {
    let script = "import sys, zlib\n\
                  c = zlib.compressobj(9)\n\
                  start = c.compress(bytes(1 << 20)) + c.flush(zlib.Z_FULL_FLUSH)\n\
                  part = c.compress(bytes(1 << 20)) + c.flush(zlib.Z_FULL_FLUSH)\n\
                  sys.stdout.buffer.write(start + part * (int(sys.argv[1]) >> 20))\n";
    let made = Command::new("python3")
        .args(["-c", script, &count.to_string()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    made.stdout
}
