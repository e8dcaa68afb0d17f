//! model: the snapshot, plain data with serde and without I/O.
//!
//! A snapshot has the fields of the JSON document `numatrace.report/1` (docs/report.md): serialised
//! it is the report, and a report that is read back is a snapshot again. One rule holds everywhere:
//! a quantity that was not measured is `None`, never 0. So `Default` of a group of quantities means
//! "not measured", and `zeros(n)` means "measured, and nothing happened".

pub mod frame;
pub mod report;

pub mod audit;
pub mod audit_report;
pub mod coverage;
pub mod hooks;

pub mod process;

pub mod alloc;
pub mod alloc_class;
mod alloc_pages;
pub mod first_touch;
pub mod hint_fault;
pub mod page_migration;
mod remote_by_cause;
pub mod task_move;

pub mod balancer;
pub mod incident;
pub mod recorded;
pub mod verify;

pub mod failure;
pub mod kernel_memory;
pub mod mapping;
pub mod shortage;
pub mod stack;

pub mod cache;
pub mod distance;
pub mod finding;
pub mod quantity;

pub mod matrix;
pub mod name;
pub mod nearest;
pub mod number;
pub mod page_cache;
pub mod placement;
pub mod residency;
pub mod section;

// Documents of their own, besides the report.
pub mod diff;
pub mod doctor;
pub mod event;
pub mod stat;
pub mod topology;

pub use alloc::Alloc;
pub use alloc_class::{ByClass, ClassTally, PolicyMode};
pub use alloc_pages::AllocPages;
pub use audit::{
    Audit, AuditNode, Cause, Counter, CounterAudit, CrossCheck, CrossCheckKind, Equations,
    Explained, Imbalance, Verdict,
};
pub use audit_report::AuditReport;
pub use balancer::{BalancerVerdict, BalancerWork, Balancing, FaultSlice};
pub use coverage::{Coverage, Folded};
pub use finding::{Finding, Fix, FixKind, Severity};
pub use first_touch::{ByKind, FirstTouch, Marks, TouchedBy};
pub use hint_fault::HintFaults;
pub use hooks::{Hook, HookState};
pub use incident::{Incident, Moment, MomentKind};
pub use kernel_memory::KernelMemory;
pub use mapping::{
    Addr, Mapping, MappingFirstTouch, MappingKind, MappingMigrations, StackPages, TidFaults,
    TidPages,
};
pub use matrix::{Matrix, PerNode};
pub use name::Name;
pub use page_cache::FilledFile;
pub use page_migration::{FailedByCause, Latency, LatencyBucket, MovedBy, PageMigrations};
pub use process::{Bind, BindWhat, Process, ProcessKind, Thread};
pub use recorded::{Recorded, RecordedWhat};
pub use remote_by_cause::RemoteByCause;
pub use report::{
    Cost, CostMethod, EndedBy, Host, HostNode, Part, Reduction, Schema, Scope, Session, Snapshot,
    System,
};
pub use residency::{Residency, Resident};
pub use shortage::Shortage;
pub use stack::{Frame, Stack};
pub use task_move::{CpuMoves, MoveReason, Stay, TaskMoves};
pub use verify::{Disagreement, Verify};
