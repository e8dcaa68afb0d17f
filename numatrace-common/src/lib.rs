//! The wire: every type that crosses between the kernel programs and userspace, and nothing else.
//!
//! Two lanes lead out of the kernel. *Totals* are counted in maps: a [`count_key::CountKey`] says
//! what was counted, a [`totals::TotalKey`] for whom, and per-CPU [`cpu::Streak`]s and
//! [`slot::Slot`]s coalesce counts on the way. *Records* go through the ring buffer: a
//! [`header::Header`] and one body of [`event`]. Layouts are fixed at compile time (each type
//! asserts its size), have no hidden padding (`bytemuck::Pod`), and are read on the machine that
//! wrote them or from a recording that names its byte order.
#![no_std]

pub mod header;
pub mod kind;

pub mod event;

pub mod bucket;
pub mod count_key;
pub mod totals;

pub mod cpu;
pub mod slot;

pub mod control;
pub mod counters;
pub mod globals;
pub mod limits;
pub mod mover;
pub mod scope;
