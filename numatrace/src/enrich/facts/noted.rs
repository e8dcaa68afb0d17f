//! A source of facts that notes its answers, so that a recording can answer the same questions.

use serde::{Deserialize, Serialize};

use super::{
    Details, Facts, Identity,
    memory::{NodeFree, NodePool},
    resident::Resident,
};
use crate::{
    decode::mapping_run::FileId,
    enrich::maps::MapLine,
    ids::{Pid, Tid},
    model::Name,
};

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The process that a pid stood for.
    Identity(Pid, Option<Identity>),
    /// Further details of a process.
    Details(Pid, Details),
    /// Name and start of a thread.
    Thread(Pid, Tid, Option<Identity>),
    /// All processes.
    Pids(Vec<Pid>),
    /// The mappings of a process.
    Maps(Pid, Option<Vec<MapLine>>),
    /// The nodes of a process's memory, in recordings from before readings were input of their own.
    NumaMaps(Pid, Vec<Resident>),
    /// The path of a file that a process had open.
    OpenFile(Pid, FileId, Option<Name>),
    /// Free memory by node.
    FreeMemory(Vec<NodeFree>),
    /// Pools of huge pages of a size by node.
    HugePages(u64, Vec<NodePool>),
}

/// A source of facts whose answers may be noted.
#[derive(Debug)]
pub struct Noted<F> {
    from: F,
    notes: Option<Vec<Fact>>,
}

impl<F> Noted<F> {
    /// Returns the source without notes.
    pub fn off(from: F) -> Self {
        Self { from, notes: None }
    }

    /// Returns the source with notes.
    pub fn on(from: F) -> Self {
        Self {
            from,
            notes: Some(Vec::new()),
        }
    }

    /// Returns the notes since the last call.
    pub fn take(&mut self) -> Vec<Fact> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, fact: impl FnOnce() -> Fact) {
        if let Some(notes) = &mut self.notes {
            notes.push(fact());
        }
    }
}

impl<F: Facts> Facts for Noted<F> {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        let answer = self.from.identity(pid);
        self.note(|| Fact::Identity(pid, answer.clone()));
        answer
    }

    fn details(&mut self, pid: Pid) -> Details {
        let answer = self.from.details(pid);
        self.note(|| Fact::Details(pid, answer.clone()));
        answer
    }

    fn thread(&mut self, pid: Pid, tid: Tid) -> Option<Identity> {
        let answer = self.from.thread(pid, tid);
        self.note(|| Fact::Thread(pid, tid, answer.clone()));
        answer
    }

    fn pids(&mut self) -> Vec<Pid> {
        let answer = self.from.pids();
        self.note(|| Fact::Pids(answer.clone()));
        answer
    }

    fn maps(&mut self, pid: Pid) -> Option<Vec<MapLine>> {
        let answer = self.from.maps(pid);
        self.note(|| Fact::Maps(pid, answer.clone()));
        answer
    }

    fn open_file(&mut self, pid: Pid, file: FileId) -> Option<Name> {
        let answer = self.from.open_file(pid, file);
        self.note(|| Fact::OpenFile(pid, file, answer.clone()));
        answer
    }

    fn free_memory(&mut self) -> Vec<NodeFree> {
        let answer = self.from.free_memory();
        self.note(|| Fact::FreeMemory(answer.clone()));
        answer
    }

    fn huge_pages(&mut self, page_kb: u64) -> Vec<NodePool> {
        let answer = self.from.huge_pages(page_kb);
        self.note(|| Fact::HugePages(page_kb, answer.clone()));
        answer
    }
}
