//! Claims about BTF lookups: hand-made blobs in which each byte is known, hostile bytes, and this
//! kernel.

use std::time::Instant;

use proptest::prelude::*;

use super::{
    fixture::{
        BtfBuilder, CONST, DATASEC, DECL_TAG, ENUM, ENUM64, FLAG, FLOAT, STRUCT, TYPE_TAG, TYPEDEF,
        UNION, VAR,
    },
    *,
};

fn load(builder: BtfBuilder) -> KernelBtf {
    KernelBtf::from_bytes(builder.build()).unwrap()
}

fn at(offset_bytes: u32, size_bytes: u32) -> MemberAt {
    MemberAt {
        offset_bytes,
        size_bytes,
    }
}

/// Returns
/// `struct task { int on_rq; struct { union { u64 flags; u32 low; }; struct entity se; }; }` and
/// one type of each other kind.
fn task() -> BtfBuilder {
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4);
    let long = b.int("long unsigned int", 8);
    let u64_ = b.add(TYPEDEF, 0, "u64", long, &[]);
    let tagged = b.add(TYPE_TAG, 0, "rcu", u64_, &[]);
    let konst = b.add(CONST, 0, "", tagged, &[]);
    let array = b.array(int, 6);
    b.add(VAR, 0, "some_variable", int, &[1]);
    b.add(DATASEC, 1, ".data", 4, &[1, 0, 4]);
    b.add(FLOAT, 0, "double", 8, &[]);
    b.add(DECL_TAG | FLAG, 0, "a_tag", int, &[u32::MAX]);
    let entity = b.aggregate(
        STRUCT,
        "entity",
        40,
        &[("load", array, 0), ("sum_exec_runtime", konst, 256)],
    );
    let inner_union = b.aggregate(UNION, "", 8, &[("flags", u64_, 0), ("low", int, 0)]);
    let inner = b.aggregate(STRUCT, "", 48, &[("", inner_union, 0), ("se", entity, 64)]);
    b.aggregate(
        STRUCT | FLAG,
        "task",
        64,
        &[
            ("on_rq", int, 0),
            ("in_iowait", int, 1 << 24 | 33),
            ("", inner, 64),
            ("mm", 0, 0),
        ],
    );
    b
}

#[test]
fn members_are_found_through_unnamed_members_embedded_structs_and_typedefs() {
    let btf = load(task());
    assert_eq!(btf.member("task", "on_rq").unwrap(), at(0, 4));
    assert_eq!(btf.member("task", "flags").unwrap(), at(8, 8));
    assert_eq!(btf.member("task", "low").unwrap(), at(8, 4));
    assert_eq!(btf.member("task", "se").unwrap(), at(16, 40));
    assert_eq!(btf.member("task", "se.load").unwrap(), at(16, 24));
    assert_eq!(
        btf.member("task", "se.sum_exec_runtime").unwrap(),
        at(48, 8)
    );
    assert_eq!(btf.size_of("task").unwrap(), 64);
    assert_eq!(btf.size_of("u64").unwrap(), 8);
}

#[test]
fn a_missing_name_is_named_in_the_error() {
    let btf = load(task());
    let say = |result: Result<MemberAt, BtfError>| result.unwrap_err().to_string();
    assert!(
        say(btf.member("task", "se.vruntime.x")).contains("`task` has no member `se.vruntime`;")
    );
    assert!(say(btf.member("task", "on_rq.x")).contains("no member `on_rq.x`"));
    assert!(say(btf.member("tusk", "se")).contains("no struct `tusk`"));
    assert!(say(btf.member("task", "in_iowait")).contains("bit field"));
    assert!(
        matches!(btf.member("task", "mm"), Err(BtfError::Contradiction(_))),
        "void has no size"
    );
    assert!(
        btf.func_arg_count("entity").is_err(),
        "a struct is not a function"
    );
}

#[test]
fn constants_keep_their_sign_and_all_64_bits() {
    let mut b = BtfBuilder::new();
    let names = ["A", "B", "C", "D"].map(|name| b.string(name));
    b.add(
        ENUM | FLAG,
        2,
        "signed",
        4,
        &[names[0], u32::MAX, names[1], 7],
    );
    b.add(ENUM, 1, "unsigned", 4, &[names[2], u32::MAX]);
    b.add(ENUM64, 1, "wide", 8, &[names[3], 0x8000_0000, 1]);
    let btf = load(b);
    assert_eq!(
        btf.enum_constants("signed").unwrap(),
        [("A".into(), -1), ("B".into(), 7)]
    );
    assert_eq!(
        btf.enum_value(Some("unsigned"), "C").unwrap(),
        i64::from(u32::MAX)
    );
    assert_eq!(btf.enum_value(None, "D").unwrap(), 0x1_8000_0000);
    let error = btf.enum_value(Some("signed"), "C").unwrap_err().to_string();
    assert!(
        error.contains("no constant `C` in enum `signed`"),
        "{error}"
    );
}

#[test]
fn nodes_shift_follows_from_the_length_of_a_zonelist() {
    let kernel = |zonelist_bytes, zones| {
        let mut b = BtfBuilder::new();
        let int = b.int("int", 4);
        b.aggregate(STRUCT, "zoneref", 16, &[("idx", int, 0)]);
        b.aggregate(STRUCT, "zonelist", zonelist_bytes, &[]);
        let name = b.string("__MAX_NR_ZONES");
        b.add(ENUM, 1, "zone_type", 4, &[name, zones]);
        load(b).nodes_shift()
    };
    assert_eq!(kernel(81_936, 5).unwrap(), 10, "Debian's kernels");
    assert_eq!(kernel((4 * 16 + 1) * 16, 4).unwrap(), 4);
    assert_eq!(kernel(6 * 16, 5).unwrap(), 0, "no NUMA");
    assert!(kernel(81_937 * 3, 5).is_err(), "not a power of two");
    assert!(kernel(0, 5).is_err());
    assert!(kernel(81_936, 0).is_err());
}

#[test]
fn declarations_are_written_as_the_kernel_writes_them() {
    let mut b = BtfBuilder::new();
    let int = b.int("int", 4);
    let ulong = b.int("long unsigned int", 8);
    let page = b.aggregate(STRUCT, "page", 64, &[]);
    let page_ptr = b.ptr(page);
    let pages = b.ptr(page_ptr);
    let const_page = b.add(CONST, 0, "", page, &[]);
    let const_page_ptr = b.ptr(const_page);
    let callback_proto = b.func_proto(int, &[("", const_page_ptr), ("", ulong)]);
    let callback = b.ptr(callback_proto);
    let row = b.array(int, 4);
    let row_ptr = b.ptr(row);
    let fixed = b.add(CONST, 0, "", page_ptr, &[]);
    b.func(
        "pick",
        page_ptr,
        &[
            ("nr", ulong),
            ("from", const_page_ptr),
            ("array", pages),
            ("visit", callback),
        ],
    );
    b.func("log", 0, &[("rows", row_ptr), ("fixed", fixed), ("", 0)]);
    b.func("none", 0, &[]);
    b.tracepoint("page_moved", &[page_ptr, int]);
    let btf = load(b);
    assert_eq!(
        btf.c_prototype("pick").unwrap(),
        "struct page *pick(unsigned long nr, const struct page *from, struct page **array, \
         int (*visit)(const struct page *, unsigned long))"
    );
    assert_eq!(
        btf.c_prototype("log").unwrap(),
        "void log(int (*rows)[4], struct page *const fixed, ...)"
    );
    assert_eq!(btf.c_prototype("none").unwrap(), "void none(void)");
    assert_eq!(btf.func_arg_count("pick").unwrap(), 4);
    assert_eq!(btf.tracepoint_arg_count("page_moved").unwrap(), 2);
    assert_eq!(
        btf.tracepoint_prototype("page_moved").unwrap().to_string(),
        "void page_moved(struct page *, int)"
    );
    assert!(btf.tracepoint_arg_count("page_lost").is_err());
}

#[test]
fn kinds_newer_than_this_reader_are_stepped_over_when_the_file_says_how() {
    let with_new_kind = |layout: bool| {
        let mut b = BtfBuilder::new();
        b.add(21, 3, "later", 0, &[9, 9, 9, 9]);
        b.aggregate(STRUCT, "page", 64, &[]);
        if layout {
            b.layout(21, 4, 4);
        }
        KernelBtf::from_bytes(b.build())
    };
    assert_eq!(with_new_kind(true).unwrap().size_of("page").unwrap(), 64);
    let error = with_new_kind(false).unwrap_err();
    assert!(
        matches!(error, BtfError::UnknownKind { number: 21, .. }),
        "{error}"
    );
}

#[test]
fn a_blob_truncated_anywhere_is_an_error_or_lacks_names_but_never_panics() {
    let whole = task().build();
    for len in 0..whole.len() {
        if let Ok(btf) = KernelBtf::from_bytes(whole[..len].to_vec()) {
            let _ = btf.member("task", "se.sum_exec_runtime");
        }
    }
    assert!(KernelBtf::from_bytes(whole[..whole.len() / 2].to_vec()).is_err());
}

#[test]
fn types_that_contain_themselves_end() {
    let mut b = BtfBuilder::new();
    b.add(TYPEDEF, 0, "loop", 1, &[]);
    b.aggregate(STRUCT, "nest", 8, &[("", 2, 0), ("", 2, 0), ("", 2, 0)]);
    b.array(3, 2);
    b.aggregate(STRUCT, "far", 8, &[("x", 3, u32::MAX - 7)]);
    b.func("again", 5, &[("a", 5), ("b", 5), ("c", 5)]);
    let btf = load(b);
    assert!(btf.size_of("loop").is_err());
    assert!(btf.member("nest", "x").is_err());
    assert!(btf.member("far", "x").is_err());
    assert!(btf.c_prototype("again").unwrap().contains('…'));
}

/// Calls every function that reads types.
fn ask_everything(btf: &KernelBtf) {
    let _ = btf.member("task", "se.sum_exec_runtime");
    let _ = btf.member("task", "low");
    let _ = btf.size_of("task");
    let _ = btf.enum_value(None, "A");
    let _ = btf.enum_constants("signed");
    let _ = btf.nodes_shift();
    let _ = btf.tracepoint_arg_count("moved");
    let _ = btf
        .tracepoint_prototype("moved")
        .map(|proto| proto.to_string());
    let _ = btf.c_prototype("pick");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(btf) = KernelBtf::from_bytes(bytes) {
            ask_everything(&btf);
        }
    }

    #[test]
    fn no_damage_to_a_good_blob_makes_it_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)
    ) {
        let mut b = task();
        let name = b.string("A");
        b.add(ENUM, 1, "signed", 4, &[name, 1]);
        b.tracepoint("moved", &[1, 2]);
        b.func("pick", 1, &[("a", 2), ("b", 3)]);
        let mut bytes = b.build();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(btf) = KernelBtf::from_bytes(bytes) {
            ask_everything(&btf);
        }
    }
}

/// Returns this machine's kernel, or `None` where it has no BTF.
fn host() -> Option<KernelBtf> {
    let path = Path::new(VMLINUX);
    path.exists().then(|| KernelBtf::from_path(path).unwrap())
}

#[test]
fn this_kernels_own_types_are_read() {
    let Some(btf) = host() else { return };
    let pid = btf.member("task_struct", "pid").unwrap();
    let tgid = btf.member("task_struct", "tgid").unwrap();
    assert_eq!(
        (pid.size_bytes, tgid.offset_bytes),
        (4, pid.offset_bytes + 4),
        "neighbours since 2.6"
    );
    assert_eq!(
        btf.member("task_struct", "se.sum_exec_runtime")
            .unwrap()
            .size_bytes,
        8
    );
    assert_eq!(btf.member("vm_area_struct", "vm_mm").unwrap().size_bytes, 8);
    assert_eq!(
        btf.member("vm_area_struct", "vm_flags").unwrap().size_bytes,
        8,
        "in an unnamed union"
    );
    assert_eq!(btf.member("page", "flags").unwrap(), at(0, 8));
    assert!(btf.size_of("task_struct").unwrap() > 2000);
    assert_eq!(btf.enum_value(None, "NR_FREE_PAGES").unwrap(), 0);
    assert!(btf.nodes_shift().unwrap() <= 10);
    assert!(btf.func_exists("handle_mm_fault") && !btf.func_exists("handle_mm_fult"));
    assert_eq!(btf.func_arg_count("handle_mm_fault").unwrap(), 4);
    assert_eq!(btf.tracepoint_arg_count("sched_switch").unwrap(), 4);
    let reasons = btf.enum_constants("migrate_reason").unwrap();
    assert_eq!(reasons[0], ("MR_COMPACTION".into(), 0));
    assert_eq!(
        btf.c_prototype("handle_mm_fault").unwrap(),
        "vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, \
         unsigned int flags, struct pt_regs *regs)"
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a promise about release builds")]
fn a_kernel_is_indexed_in_under_50_ms() {
    let Some(bytes) = std::fs::read(VMLINUX).ok() else {
        return;
    };
    let best = (0..5).map(|_| {
        let start = Instant::now();
        let btf = KernelBtf::from_bytes(bytes.clone()).unwrap();
        let took = start.elapsed();
        assert!(btf.func_exists("handle_mm_fault"));
        took
    });
    let best = best.min().unwrap();
    assert!(best.as_millis() < 50, "{best:?}");
}
