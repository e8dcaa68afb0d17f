//! One file per subcommand: its arguments, its work, and its checks.

use clap::Subcommand;

use super::scene::Scene;
use super::trouble::Trouble;
use super::truth::GroundTruth;

mod bind;
mod first_touch;
mod interleave;
mod preferred_many;
mod read_file;
mod rebind;
mod touch;

mod captured;
mod copied;
mod exhaust;
mod file;
mod fill;
mod heap;
mod hugetlb;
mod hugetlb_empty;
mod overfill;
mod refused;
mod shmem;
mod stack;
mod surplus;
mod thp;
mod written;

mod brief;
mod churn;
mod cow;
mod discard;
mod fork_storm;
mod hold;
mod jit;
mod kinds;
mod low_memory;
mod spawn_tree;
mod thread_storm;

mod away;
mod bounce;
mod crossed;
mod crowd;
mod demote;
mod dispatched;
mod fragment;
mod in_pieces;
mod move_pages;
mod own_parts;
mod place;
mod relay;
mod ring;
mod rounds;
mod rt_push;
mod settled;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Bind a region to one node and write it from a CPU of another
    Bind(bind::Args),
    /// One thread writes memory first on one node, others use it on another
    FirstTouch(first_touch::Args),
    /// Write a region interleaved over nodes
    Interleave(interleave::Args),
    /// Write a region that prefers several nodes
    PreferredMany(preferred_many::Args),
    /// Write anonymous base pages, as often as wanted
    Touch(touch::Args),
    /// Fill a node, then take more under the default policy
    Exhaust(exhaust::Args),
    /// Write a file, drop it from the page cache, and read it again
    File(file::Args),
    /// Bring pages into shared memory without a fault
    Fill(fill::Args),
    /// Keep the free memory of a node in single pages
    InPieces(in_pieces::Args),
    /// Grow the heap by brk(2)
    Heap(heap::Args),
    /// Fill the huge page pool of a node, use it and empty it again
    Hugetlb(hugetlb::Args),
    /// Bind huge pages to a node whose pool has too few
    HugetlbEmpty(hugetlb_empty::Args),
    /// Write memory that is bound to a node, more than it has
    Overfill(overfill::Args),
    /// Call what the kernel must refuse
    Refused(refused::Args),
    /// Shared memory written by two processes on two nodes
    Shmem(shmem::Args),
    /// Grow the main thread's stack
    Stack(stack::Args),
    /// Use huge pages by which the pool has to grow
    Surplus(surplus::Args),
    /// Write transparent huge pages
    Thp(thp::Args),
    /// Use more huge pages than a node has blocks for
    Captured(captured::Args),
    /// Load a driver that needs memory below 4 GiB
    LowMemory(low_memory::Args),
    /// Fill memory by userfaultfd(2)
    Copied(copied::Args),
    /// Compute in threads that a BPF scheduler places
    Dispatched(dispatched::Args),
    /// Put pages into the memory of a child
    Written(written::Args),
    /// Map a file in each of many children, which end at once
    Brief(brief::Args),
    /// Fork, and let the child copy pages by writing them on another node
    Cow(cow::Args),
    /// Fault in ways in which the kernel discards pages that it has allocated
    Discard(discard::Args),
    /// Fork many short-lived children
    ForkStorm(fork_storm::Args),
    /// End at once: what the fork storm executes
    #[command(hide = true)]
    Nothing,
    /// Begin many short-lived threads
    ThreadStorm(thread_storm::Args),
    /// Keep memory until stdin closes
    Hold(hold::Args),
    /// Touch memory from code that is made as it runs
    Jit(jit::Args),
    /// Keep memory of every kind on several nodes until stdin closes
    Kinds(kinds::Args),
    /// Allocate in threads, children and grandchildren
    SpawnTree(spawn_tree::Args),
    /// Leave memory behind on another node, and come back to it
    Away(away::Args),
    /// Work on memory that has been on another node since before the measured part
    Settled(settled::Args),
    /// Change the node it runs on, again and again
    Bounce(bounce::Args),
    /// Keep two nodes busy with threads that use each other's memory
    Crossed(crossed::Args),
    /// Begin more threads on a node than it has CPUs, and let them go
    Crowd(crowd::Args),
    /// Wake a thread in turn from two nodes
    Relay(relay::Args),
    /// Threads take huge pages and give them back, and choose no CPU
    Churn(churn::Args),
    /// Threads hand tokens on to each other, and choose no CPU
    Ring(ring::Args),
    /// Threads compute for different lengths and begin again together, and choose no CPU
    Rounds(rounds::Args),
    /// Let each worker touch first the memory that it uses
    OwnParts(own_parts::Args),
    /// Use a file that is in the page cache
    ReadFile(read_file::Args),
    /// Bind a worker after it has touched its memory
    Rebind(rebind::Args),
    /// Move pages to another node by move_pages(2)
    MovePages(move_pages::Args),
    /// Let the scheduler place children, away from a busy node
    Place(place::Args),
    /// Push a real-time thread from node to node
    RtPush(rt_push::Args),
    /// Fill memory with holes, and compact it
    Fragment(fragment::Args),
    /// Take more memory than a node has, where cold pages go to slow memory
    Demote(demote::Args),
}

impl Scenario {
    /// Runs the subcommand and returns its truth.
    ///
    /// # Errors
    /// [`Trouble::Unsupported`] when this machine cannot do it; a failure when a step went wrong.
    pub fn run(&self, scene: &mut Scene) -> Result<GroundTruth, Trouble> {
        match self {
            Self::Bind(args) => bind::run(args, scene),
            Self::FirstTouch(args) => first_touch::run(args, scene),
            Self::Interleave(args) => interleave::run(args, scene),
            Self::PreferredMany(args) => preferred_many::run(args, scene),
            Self::Touch(args) => touch::run(args, scene),
            Self::Exhaust(args) => exhaust::run(args, scene),
            Self::File(args) => file::run(args, scene),
            Self::Fill(args) => fill::run(args, scene),
            Self::InPieces(args) => in_pieces::run(args, scene),
            Self::Heap(args) => heap::run(args, scene),
            Self::Hugetlb(args) => hugetlb::run(args, scene),
            Self::HugetlbEmpty(args) => hugetlb_empty::run(args, scene),
            Self::Overfill(args) => overfill::run(args, scene),
            Self::Refused(args) => refused::run(args, scene),
            Self::Shmem(args) => shmem::run(args, scene),
            Self::Stack(args) => stack::run(args, scene),
            Self::Surplus(args) => surplus::run(args, scene),
            Self::Thp(args) => thp::run(args, scene),
            Self::Captured(args) => captured::run(args, scene),
            Self::LowMemory(args) => low_memory::run(args, scene),
            Self::Copied(args) => copied::run(args, scene),
            Self::Dispatched(args) => dispatched::run(args, scene),
            Self::Written(args) => written::run(args, scene),
            Self::Brief(args) => brief::run(args, scene),
            Self::Cow(args) => cow::run(args, scene),
            Self::Discard(args) => discard::run(args, scene),
            Self::ForkStorm(args) => fork_storm::run(args, scene),
            Self::Settled(args) => settled::run(args, scene),
            Self::Nothing => fork_storm::nothing(),
            Self::ThreadStorm(args) => thread_storm::run(args, scene),
            Self::Hold(args) => hold::run(args, scene),
            Self::Jit(args) => jit::run(args, scene),
            Self::Kinds(args) => kinds::run(args, scene),
            Self::SpawnTree(args) => spawn_tree::run(args, scene),
            Self::Away(args) => away::run(args, scene),
            Self::Bounce(args) => bounce::run(args, scene),
            Self::Crossed(args) => crossed::run(args, scene),
            Self::Crowd(args) => crowd::run(args, scene),
            Self::Relay(args) => relay::run(args, scene),
            Self::Churn(args) => churn::run(args, scene),
            Self::Ring(args) => ring::run(args, scene),
            Self::Rounds(args) => rounds::run(args, scene),
            Self::OwnParts(args) => own_parts::run(args, scene),
            Self::ReadFile(args) => read_file::run(args, scene),
            Self::Rebind(args) => rebind::run(args, scene),
            Self::MovePages(args) => move_pages::run(args, scene),
            Self::Place(args) => place::run(args, scene),
            Self::RtPush(args) => rt_push::run(args, scene),
            Self::Fragment(args) => fragment::run(args, scene),
            Self::Demote(args) => demote::run(args, scene),
        }
    }
}
