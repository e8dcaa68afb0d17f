//! One allocation, as the exact hook or the fallback shows it.

use core::marker::PhantomData;

use aya_ebpf::programs::{BtfTracePointContext, FExitContext, tracing::StackIdContext};
use numatrace_common::{
    control::EXCEPTION_TOUCHES,
    count_key::{CountKey, NODE_UNKNOWN, RemoteCause, Stem},
    cpu::CpuState,
    slot::{Fault, Slot},
};

use crate::{
    control,
    count::{cause, streaks::Event},
    globals::{enabled, global},
    kernel::{alloc_context::AllocContext, preempt::in_interrupt, task::Task},
    record::{node_shortage, touch_run::Touch},
    who::{fault, owner::Owner},
};

/// A hook that sees allocations.
pub trait Hook: StackIdContext + Sized {
    /// True for a hook that knows the preferred zone.
    const EXACT: bool;

    /// Returns whether its program has a twin.
    fn has_twin() -> bool;

    /// Returns the allocation, unless it failed.
    fn alloc(&self) -> Option<Alloc<Self>>;
}

/// An allocation that succeeded.
pub struct Alloc<H> {
    pub event: Event,
    pub page: *const u8,
    /// Known to the exact hook only.
    ac: AllocContext,
    hook: PhantomData<H>,
}

impl Hook for FExitContext {
    const EXACT: bool = true;

    #[inline(always)]
    fn has_twin() -> bool {
        enabled!(twins)
    }

    #[inline(always)]
    fn alloc(&self) -> Option<Alloc<Self>> {
        let page: *const u8 = self.arg(4);
        (!page.is_null()).then(|| Alloc {
            event: Event::of(page, self.arg(0), self.arg(1)),
            page,
            ac: AllocContext::from_arg(self.arg(3)),
            hook: PhantomData,
        })
    }
}

impl Hook for BtfTracePointContext {
    const EXACT: bool = false;

    #[inline(always)]
    fn has_twin() -> bool {
        enabled!(tracepoint_twins)
    }

    /// `page` is NULL when the allocation failed.
    #[inline(always)]
    fn alloc(&self) -> Option<Alloc<Self>> {
        let page: *const u8 = self.arg(0);
        (!page.is_null()).then(|| Alloc {
            event: Event::of(page, self.arg(2), self.arg(1)),
            page,
            ac: AllocContext::from_arg(core::ptr::null()),
            hook: PhantomData,
        })
    }
}

impl<H: Hook> Alloc<H> {
    /// Returns whether an interrupt allocates. An allocation that may sleep is in no interrupt, and
    /// nearly all may: only the rest asks for the context.
    #[inline(always)]
    pub fn is_of_interrupt(&self, slot: &mut Slot) -> bool {
        self.event.gfp & global!(gfp.direct_reclaim) == 0 && in_interrupt(slot)
    }

    /// Returns the [`Fault::page_kind`] of the fault that allocates it, 0 for none.
    #[inline(always)]
    pub fn page_kind(&self, cpu: &mut CpuState, task: Task) -> u64 {
        if H::EXACT {
            fault::page_kind(&mut cpu.fault, task, self.event.gfp)
        } else if control::is_attached(EXCEPTION_TOUCHES) {
            fault::page_kind_in_exception(task, self.event.gfp)
        } else {
            0
        }
    }

    /// Returns the [`Fault::page_kind`] of a user page that this CPU's cached task allocates, 0
    /// when the task is in no fault.
    #[inline(always)]
    pub fn page_kind_of_cached_task(&self, cpu: &CpuState) -> u64 {
        if H::EXACT {
            fault::page_kind_of_cached_task(cpu)
        } else if enabled!(first_touch) && control::is_attached(EXCEPTION_TOUCHES) {
            fault::page_kind_in_exception(Task::current(), self.event.gfp)
        } else {
            0
        }
    }

    /// Returns the allocation as a first touch for a run, if its owner has runs and the fault is
    /// known: the task may have been switched out in the middle of this program, and in the
    /// fallback even before.
    #[inline(always)]
    pub fn touch<'a>(
        &self,
        owner: Owner,
        touch_key: CountKey,
        fault: &'a mut Fault,
    ) -> Option<Touch<'a>> {
        let task = Task::current();
        let is_known = if H::EXACT {
            fault::is_in(fault, task)
        } else {
            fault::is_current(fault, task)
        };
        (owner.is_thread() && is_known).then(|| Touch {
            task,
            owner,
            count_key: touch_key,
            pages: self.event.pages(),
            fault,
        })
    }

    /// Returns the place of the preferred zone in a zonelist, 0 when not known.
    #[inline(always)]
    pub fn zoneref(&self) -> u64 {
        if H::EXACT {
            self.ac.preferred_zoneref() as u64
        } else {
            0
        }
    }

    /// Returns whether an interleave policy that asked for a node got the page there: the kernel
    /// compares with that node, which differs from the preferred zone's where the node has no zone
    /// for the request (mm/mempolicy.c, `alloc_pages_mpol`).
    #[inline(always)]
    pub fn is_on_node_asked(&self, preferred: u16) -> bool {
        H::EXACT && self.event.node == preferred && self.ac.node_asked() == preferred
    }

    /// Returns whether the streaks may count it: a later event with the same inputs is as this one.
    #[inline(always)]
    pub fn is_like_its_inputs(&self, preferred: u16) -> bool {
        !H::EXACT || self.is_on_node_asked(preferred)
    }

    /// Records the state of the preferred zone, of `node`, which did not give the page. For the
    /// exact hook only.
    #[inline(always)]
    pub fn note_shortage(&self, node: u16) {
        let Event { gfp, order, .. } = self.event;
        node_shortage::note(self.ac.preferred_zone(), node, order, gfp);
    }

    /// Returns the node of the preferred zone, [`NODE_UNKNOWN`] when not known.
    #[inline(always)]
    pub fn preferred_node(&self) -> u16 {
        if H::EXACT {
            self.ac.preferred_node()
        } else {
            NODE_UNKNOWN
        }
    }

    /// Returns why the page is not on the CPU's node `here`, or missed its preferred node.
    #[inline(always)]
    pub fn cause(&self, here: u16, irq: bool) -> RemoteCause {
        let Event { gfp, node, .. } = self.event;
        if H::EXACT {
            let preferred = self.preferred_node();
            cause::remote(node, preferred, here, gfp, self.ac, Task::current(), irq)
        } else if node == here {
            RemoteCause::None
        } else {
            RemoteCause::Unknown
        }
    }

    /// Returns its count key.
    #[inline(always)]
    pub fn count_key(&self, preferred: u16, cause: RemoteCause) -> CountKey {
        let Event {
            gfp, order, node, ..
        } = self.event;
        CountKey::new(Stem::PageAlloc)
            .with_page_node(node)
            .with_preferred(preferred)
            .with_class(cause::class(gfp, order) as u8)
            .with_cause(cause as u8)
    }
}
