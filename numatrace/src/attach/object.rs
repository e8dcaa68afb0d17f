//! The embedded eBPF object.

/// Returns the object that `build.rs` built, aligned as ELF structures need it.
pub fn bytes() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/numatrace.bpf.o"))
}
