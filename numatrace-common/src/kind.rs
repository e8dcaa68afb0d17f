//! Record kinds: the number in every header. Numbers are never reused; retired ones stay listed.

/// Kind of a ring-buffer record.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    // 1 was a run of allocations, which now follow from the totals, exactly.
    /// [`crate::event::task_life::TaskFork`]
    TaskFork = 2,
    /// [`crate::event::task_life::TaskExec`]
    TaskExec = 3,
    /// [`crate::event::task_life::TaskExit`]
    TaskExit = 4,
    /// [`crate::event::mapping_run::TouchRun`]
    TouchRun = 5,
    /// [`crate::event::mapping_run::UseRun`]
    UseRun = 6,
    /// [`crate::event::task_bind::TaskBind`]
    TaskBind = 7,
    /// [`crate::event::task_moved::TaskMoved`]
    TaskMoved = 8,
    /// [`crate::event::pages_moved::PagesMoved`]
    PagesMoved = 9,
    /// [`crate::event::fill_run::FillRun`]
    FillRun = 10,
    /// [`crate::event::kernel_alloc::KernelAlloc`]
    KernelAlloc = 11,
    /// [`crate::event::move_stack::MoveStack`]
    MoveStack = 12,
    /// [`crate::event::oom_kill::OomKill`]
    OomKill = 13,
    /// [`crate::event::hugetlb_failed::HugetlbFailed`]
    HugetlbFailed = 14,
    /// [`crate::event::policy_refused::PolicyRefused`]
    PolicyRefused = 15,
    /// [`crate::event::alloc_failed::AllocFailed`]
    AllocFailed = 16,
    /// [`crate::event::node_shortage::NodeShortage`]
    NodeShortage = 17,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Kind; 16] = [
        Kind::TaskFork,
        Kind::TaskExec,
        Kind::TaskExit,
        Kind::TouchRun,
        Kind::UseRun,
        Kind::TaskBind,
        Kind::TaskMoved,
        Kind::PagesMoved,
        Kind::FillRun,
        Kind::KernelAlloc,
        Kind::MoveStack,
        Kind::OomKill,
        Kind::HugetlbFailed,
        Kind::PolicyRefused,
        Kind::AllocFailed,
        Kind::NodeShortage,
    ];

    /// Returns the name of this kind in reports and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::TaskFork => "task_fork",
            Kind::TaskExec => "task_exec",
            Kind::TaskExit => "task_exit",
            Kind::TouchRun => "touch_run",
            Kind::UseRun => "use_run",
            Kind::TaskBind => "task_bind",
            Kind::TaskMoved => "task_moved",
            Kind::PagesMoved => "pages_moved",
            Kind::FillRun => "fill_run",
            Kind::KernelAlloc => "kernel_alloc",
            Kind::MoveStack => "move_stack",
            Kind::OomKill => "oom_kill",
            Kind::HugetlbFailed => "hugetlb_failed",
            Kind::PolicyRefused => "policy_refused",
            Kind::AllocFailed => "alloc_failed",
            Kind::NodeShortage => "node_shortage",
        }
    }
}

impl TryFrom<u16> for Kind {
    type Error = u16;

    /// Returns the kind with a number, or the number itself when no kind has it.
    fn try_from(number: u16) -> Result<Self, u16> {
        Kind::ALL
            .into_iter()
            .find(|kind| *kind as u16 == number)
            .ok_or(number)
    }
}
