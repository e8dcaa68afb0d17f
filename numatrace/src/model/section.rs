//! Sections of a report as text, by the names that `--section` takes.

/// A section, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Diagnoses with evidence and fixes.
    Findings,
    /// The answer in five lines: who, how much remote, where memory lies, audit, cost.
    Summary,
    /// OOM kills, reclaim, refused calls.
    Failures,
    /// Mappings of the process that the session was about.
    Memory,
    /// Call stacks that touched that memory first.
    Stacks,
    /// Files by the nodes of their cached pages.
    PageCache,
    /// Memory of the kernel on behalf of processes.
    KernelMemory,
    /// Counts by node.
    Nodes,
    /// Processes, the most remote first.
    Processes,
    /// Threads of the process that the session was about.
    Threads,
    /// Allocations by size and use.
    Classes,
    /// Tables node by node: first touch, accesses, migrations, moves.
    Matrices,
    /// Threads that were away from their memory.
    Incidents,
    /// Work and effect of NUMA balancing.
    Balancing,
    /// Single moves in order of time (`--timeline`).
    Timeline,
    /// Reasons of moves that kernel stacks contradict (a test instrument).
    Verification,
    /// Traced counts beside the kernel's.
    Audit,
    /// Hooks and records that are missing.
    Losses,
    /// Cost of the session.
    Cost,
}

impl Section {
    /// Every section, in the order of the page.
    pub const ALL: [Self; 19] = [
        Self::Findings,
        Self::Summary,
        Self::Failures,
        Self::Memory,
        Self::Stacks,
        Self::PageCache,
        Self::KernelMemory,
        Self::Nodes,
        Self::Processes,
        Self::Threads,
        Self::Classes,
        Self::Matrices,
        Self::Incidents,
        Self::Balancing,
        Self::Timeline,
        Self::Verification,
        Self::Audit,
        Self::Losses,
        Self::Cost,
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Summary => "summary",
            Self::Failures => "failures",
            Self::Memory => "memory",
            Self::Stacks => "stacks",
            Self::PageCache => "page-cache",
            Self::KernelMemory => "kernel-memory",
            Self::Nodes => "nodes",
            Self::Processes => "processes",
            Self::Threads => "threads",
            Self::Classes => "classes",
            Self::Matrices => "matrices",
            Self::Incidents => "incidents",
            Self::Balancing => "balancing",
            Self::Timeline => "timeline",
            Self::Verification => "verification",
            Self::Audit => "audit",
            Self::Losses => "losses",
            Self::Cost => "cost",
        }
    }

    /// Returns the section of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }

    /// Returns whether it belongs to the first screen: the answer, and what was asked for by an
    /// option of its own.
    #[must_use]
    pub fn is_answer(self) -> bool {
        matches!(
            self,
            Self::Findings | Self::Summary | Self::Timeline | Self::Verification
        )
    }
}

/// The sections of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sections {
    /// Those of the first screen.
    #[default]
    Answer,
    /// All.
    Full,
    /// Those that were asked for.
    Only(Vec<Section>),
}

impl Sections {
    /// Returns whether a section is shown.
    #[must_use]
    pub fn has(&self, section: Section) -> bool {
        match self {
            Self::Answer => section.is_answer(),
            Self::Full => true,
            Self::Only(those) => those.contains(&section),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_a_name_of_its_own() {
        for section in Section::ALL {
            assert_eq!(Section::named(section.name()), Some(section));
        }
    }
}
