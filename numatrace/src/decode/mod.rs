//! decode: bytes to typed events, never a panic.
//!
//! A record is checked once, here: its kind is known and its length is that of the kind. A record
//! that fails is counted and skipped, whether it came from the ring or from a recording of unknown
//! origin.

pub mod count;
pub mod event;
pub mod failure;
pub mod fill_run;
pub mod kernel_alloc;
pub mod mapping_record;
pub mod mapping_run;
pub mod move_stack;
pub mod policy_refused;

use bytemuck::Pod;
use numatrace_common::{
    event::{
        alloc_failed::AllocFailed,
        fill_run::FillRun,
        hugetlb_failed::HugetlbFailed,
        kernel_alloc::KernelAlloc,
        mapping_run::{TouchRun, UseRun},
        move_stack::MoveStack,
        node_shortage::NodeShortage,
        oom_kill::OomKill,
        pages_moved::PagesMoved,
        policy_refused::PolicyRefused,
        task_bind::TaskBind,
        task_life::{TaskExec, TaskExit, TaskFork},
        task_moved::TaskMoved,
    },
    header::{Header, Record},
    kind::Kind,
};

use event::{Body, Event};

use crate::capture::RawRecord;

/// Why a record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record is shorter than a header.
    #[error("a record of {0} bytes has no header")]
    NoHeader(usize),
    /// No kind has this number: a newer version wrote the record, or it is damaged.
    #[error("record kind {0} is unknown")]
    UnknownKind(u16),
    /// The lengths in the header, of the record and of the kind differ.
    #[error("a {kind} record has {found} bytes, not {expected}")]
    WrongLength {
        /// The kind's name.
        kind: &'static str,
        /// Bytes of the record, or in its header.
        found: usize,
        /// Bytes of the kind.
        expected: usize,
    },
}

/// Decodes one record.
///
/// # Errors
/// The reason for the rejection.
pub fn decode(raw: RawRecord<'_>) -> Result<Event, DecodeError> {
    let bytes = raw.0;
    let header: Header = bytes
        .get(..size_of::<Header>())
        .map(bytemuck::pod_read_unaligned)
        .ok_or(DecodeError::NoHeader(bytes.len()))?;
    let kind = Kind::try_from(header.kind).map_err(DecodeError::UnknownKind)?;
    let body = match kind {
        Kind::TaskFork => Body::from(read::<TaskFork>(bytes, header)?),
        Kind::TaskExec => Body::from(read::<TaskExec>(bytes, header)?),
        Kind::TaskExit => Body::from(read::<TaskExit>(bytes, header)?),
        Kind::TaskMoved => Body::from(read::<TaskMoved>(bytes, header)?),
        Kind::PagesMoved => Body::from(read::<PagesMoved>(bytes, header)?),
        Kind::FillRun => Body::FillRun(read::<FillRun>(bytes, header)?.into()),
        Kind::KernelAlloc => Body::KernelAlloc(read::<KernelAlloc>(bytes, header)?.into()),
        Kind::MoveStack => Body::MoveStack(read::<MoveStack>(bytes, header)?.into()),
        Kind::TouchRun => Body::TouchRun(read::<TouchRun>(bytes, header)?.into()),
        Kind::TaskBind => Body::TaskBind(read::<TaskBind>(bytes, header)?.into()),
        Kind::UseRun => Body::UseRun(read::<UseRun>(bytes, header)?.into()),
        Kind::OomKill => Body::OomKill(Box::new(read::<OomKill>(bytes, header)?.into())),
        Kind::HugetlbFailed => {
            Body::HugetlbFailed(Box::new(read::<HugetlbFailed>(bytes, header)?.into()))
        }
        Kind::PolicyRefused => {
            Body::PolicyRefused(Box::new(read::<PolicyRefused>(bytes, header)?.into()))
        }
        Kind::AllocFailed => Body::AllocFailed(read::<AllocFailed>(bytes, header)?.into()),
        Kind::NodeShortage => Body::NodeShortage(read::<NodeShortage>(bytes, header)?.into()),
    };
    Ok(Event {
        time_ns: header.time_ns,
        cpu: header.cpu,
        body,
    })
}

/// Reads a record of a known kind.
fn read<T: Record + Pod>(bytes: &[u8], header: Header) -> Result<T, DecodeError> {
    let expected = size_of::<T>();
    let wrong = |found| DecodeError::WrongLength {
        kind: T::KIND.name(),
        found,
        expected,
    };
    if usize::from(header.len) != expected {
        return Err(wrong(usize::from(header.len)));
    }
    // The ring rounds up to eight bytes; a record from a recording may be truncated.
    bytes
        .get(..expected)
        .map(bytemuck::pod_read_unaligned)
        .ok_or_else(|| wrong(bytes.len()))
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use numatrace_common::header::record_len;
    use proptest::prelude::*;

    use super::*;

    fn exit() -> TaskExit {
        let mut exit = TaskExit {
            header: Header {
                time_ns: 9,
                cpu: 1,
                kind: Kind::TaskExit as u16,
                len: record_len::<TaskExit>(),
            },
            pid: 10,
            tid: 11,
            ..TaskExit::zeroed()
        };
        exit.comm[..3].copy_from_slice(b"app");
        exit
    }

    #[test]
    fn a_record_reads_back() {
        let event = decode(RawRecord(bytemuck::bytes_of(&exit()))).unwrap();
        assert_eq!((event.time_ns, event.cpu), (9, 1));
        let Body::TaskExit(exit) = event.body else {
            panic!("{:?}", event.body)
        };
        assert_eq!((exit.pid.0, exit.tid.0), (10, 11));
        assert_eq!(exit.comm, *"app");
    }

    #[test]
    fn an_unknown_kind_is_named_by_its_number() {
        let mut exit = exit();
        exit.header.kind = 999;
        let error = decode(RawRecord(bytemuck::bytes_of(&exit))).unwrap_err();
        assert_eq!(error, DecodeError::UnknownKind(999));
    }

    #[test]
    fn a_truncated_record_is_rejected_wherever_it_ends() {
        let exit = exit();
        let bytes = bytemuck::bytes_of(&exit);
        for length in 0..bytes.len() {
            assert!(decode(RawRecord(&bytes[..length])).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..500),
            kind in 0u16..20,
        ) {
            let _ = decode(RawRecord(&bytes));
            if bytes.len() >= 16 {
                let mut bytes = bytes;
                bytes[12..14].copy_from_slice(&kind.to_ne_bytes());
                let len = u16::try_from(bytes.len()).unwrap();
                bytes[14..16].copy_from_slice(&len.to_ne_bytes());
                let _ = decode(RawRecord(&bytes));
            }
        }
    }
}
