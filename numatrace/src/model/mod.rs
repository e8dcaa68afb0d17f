//! model: the snapshot: plain data with serde, no I/O.
//!
//! Field for field the JSON of `numatrace.report/1` (docs/report.md). Serialised, a snapshot *is* the JSON report; a report read
//! back is a snapshot again. The one rule: a quantity that was not measured is `None`, never 0.
//! `Default` of a group of quantities therefore means "not measured", `zeros(n)` means "measured, and nothing happened".

pub mod frame;
pub mod report;

pub mod audit;
pub mod audit_beside;
pub mod audit_report;
pub mod coverage;
pub mod hooks;

pub mod process;

pub mod alloc;
pub mod alloc_class;
pub mod first_touch;
pub mod hint_fault;
pub mod page_migration;
pub mod task_move;

pub mod balancer;
pub mod incident;
pub mod recorded;
pub mod verify;

pub mod kernel_memory;
pub mod mapping;
pub mod stack;

pub mod finding;
pub mod quantity;

pub mod matrix;
pub mod name;
pub mod number;
pub mod page_cache;

// Documents of their own, beside the report.
pub mod diff;
pub mod doctor;
pub mod event;
pub mod stat;
pub mod topology;

pub use alloc::{Alloc, RemoteByCause};
pub use alloc_class::{ByClass, ClassTally, PolicyMode};
pub use audit::{Audit, AuditNode, Cause, Counter, CounterAudit, Explained, Verdict};
pub use audit_beside::{Beside, BesideWhat, Equations, Imbalance};
pub use audit_report::AuditReport;
pub use balancer::{BalancerVerdict, BalancerWork, Balancing, FaultSlice};
pub use coverage::Coverage;
pub use finding::{Finding, Severity};
pub use first_touch::{ByKind, FirstTouch, Marks};
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
pub use report::{
    Cost, CostMethod, EndedBy, Host, HostNode, Part, Reduction, Schema, Scope, Session, Snapshot,
    System,
};
pub use stack::{Frame, Stack};
pub use task_move::{CpuMoves, MoveReason, Stay, TaskMoves};
pub use verify::{Disagreement, Verify};
