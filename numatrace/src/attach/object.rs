//! The embedded eBPF object.

/// The object as `build.rs` made it, aligned as ELF structures need it.
pub fn bytes() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/numatrace.bpf.o"))
}
