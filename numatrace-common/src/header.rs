//! The header of every record.

use bytemuck::{Pod, Zeroable};

/// The first 16 bytes of every ring-buffer record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Header {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`) when the record was written.
    pub time_ns: u64,
    /// CPU that wrote it.
    pub cpu: u32,
    /// A [`crate::kind::Kind`].
    pub kind: u16,
    /// Length of the whole record in bytes, header included.
    pub len: u16,
}

const _: () = assert!(size_of::<Header>() == 16);

/// A wire type that begins with a [`Header`] and belongs to one kind.
pub trait Record: Pod {
    /// The kind its header carries.
    const KIND: crate::kind::Kind;
}

/// Length of a record type as its header carries it.
pub const fn record_len<T: Record>() -> u16 {
    let len = size_of::<T>();
    assert!(len <= u16::MAX as usize && len.is_multiple_of(8));
    #[expect(clippy::cast_possible_truncation, reason = "asserted one line above")]
    let len = len as u16;
    len
}
