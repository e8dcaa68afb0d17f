//! Facts from a recording.
//!
//! Facts come in batches, each before the records that made the session ask. Questions in the
//! recorded order get their recorded answers. A question that is asked more often gets its last
//! answer again; a new question gets none, as for a process that is gone.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{
    Details, Facts, Identity,
    memory::{NodeFree, NodePool},
    noted::Fact,
    resident::Resident,
};
use crate::{
    decode::mapping_run::FileId,
    enrich::maps::MapLine,
    ids::{Pid, Tid},
    model::Name,
};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    Identity(Pid),
    Details(Pid),
    Thread(Pid, Tid),
    Pids,
    Maps(Pid),
    NumaMaps(Pid),
    OpenFile(Pid, FileId),
    FreeMemory,
    HugePages(u64),
}

impl From<&Fact> for Question {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Identity(pid, _) => Question::Identity(*pid),
            Fact::Details(pid, _) => Question::Details(*pid),
            Fact::Thread(pid, tid, _) => Question::Thread(*pid, *tid),
            Fact::Pids(_) => Question::Pids,
            Fact::Maps(pid, _) => Question::Maps(*pid),
            Fact::NumaMaps(pid, _) => Question::NumaMaps(*pid),
            Fact::OpenFile(pid, file, _) => Question::OpenFile(*pid, *file),
            Fact::FreeMemory(_) => Question::FreeMemory,
            Fact::HugePages(page_kb, _) => Question::HugePages(*page_kb),
        }
    }
}

/// Answers to a question, from the last batch that has any.
#[derive(Debug, Default)]
struct Answers {
    batch: u64,
    facts: VecDeque<Fact>,
}

/// The facts of a recording, as far as it was read.
#[derive(Debug, Default)]
pub struct ReplayedFacts {
    batch: u64,
    answers: HashMap<Question, Answers>,
    /// Pids with answers about the nodes of their memory.
    numa_maps: BTreeSet<Pid>,
}

impl ReplayedFacts {
    /// Adds a batch, which replaces older answers to the same questions.
    pub fn learn(&mut self, facts: Vec<Fact>) {
        self.batch += 1;
        for fact in facts {
            if let Fact::NumaMaps(pid, _) = fact {
                self.numa_maps.insert(pid);
            }
            let answers = self.answers.entry(Question::from(&fact)).or_default();
            if answers.batch != self.batch {
                answers.batch = self.batch;
                answers.facts.clear();
            }
            answers.facts.push_back(fact);
        }
    }

    /// Takes the nodes of each process's memory from recordings that have them as facts.
    pub fn take_numa_maps(&mut self) -> Vec<(Pid, Vec<Resident>)> {
        let mut found = Vec::new();
        for pid in std::mem::take(&mut self.numa_maps) {
            let answers = self.answers.remove(&Question::NumaMaps(pid));
            for fact in answers.into_iter().flat_map(|answers| answers.facts) {
                if let Fact::NumaMaps(pid, mappings) = fact {
                    found.push((pid, mappings));
                }
            }
        }
        found
    }

    fn ask(&mut self, question: Question) -> Option<Fact> {
        let answers = self.answers.get_mut(&question)?;
        if answers.facts.len() > 1 {
            answers.facts.pop_front()
        } else {
            answers.facts.front().cloned()
        }
    }
}

impl Facts for ReplayedFacts {
    fn identity(&mut self, pid: Pid) -> Option<Identity> {
        match self.ask(Question::Identity(pid))? {
            Fact::Identity(_, answer) => answer,
            _ => None,
        }
    }

    fn details(&mut self, pid: Pid) -> Details {
        match self.ask(Question::Details(pid)) {
            Some(Fact::Details(_, answer)) => answer,
            _ => Details::default(),
        }
    }

    fn thread(&mut self, pid: Pid, tid: Tid) -> Option<Identity> {
        match self.ask(Question::Thread(pid, tid))? {
            Fact::Thread(_, _, answer) => answer,
            _ => None,
        }
    }

    fn pids(&mut self) -> Vec<Pid> {
        match self.ask(Question::Pids) {
            Some(Fact::Pids(answer)) => answer,
            _ => Vec::new(),
        }
    }

    fn maps(&mut self, pid: Pid) -> Option<Vec<MapLine>> {
        match self.ask(Question::Maps(pid))? {
            Fact::Maps(_, answer) => answer,
            _ => None,
        }
    }

    fn open_file(&mut self, pid: Pid, file: FileId) -> Option<Name> {
        match self.ask(Question::OpenFile(pid, file))? {
            Fact::OpenFile(_, _, answer) => answer,
            _ => None,
        }
    }

    fn free_memory(&mut self) -> Vec<NodeFree> {
        match self.ask(Question::FreeMemory) {
            Some(Fact::FreeMemory(answer)) => answer,
            _ => Vec::new(),
        }
    }

    fn huge_pages(&mut self, page_kb: u64) -> Vec<NodePool> {
        match self.ask(Question::HugePages(page_kb)) {
            Some(Fact::HugePages(_, answer)) => answer,
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::noted::Noted, *};

    fn named(comm: &str) -> Option<Identity> {
        Some(Identity {
            comm: Name::from(comm),
            start_ticks: 1,
            kthread: false,
        })
    }

    #[test]
    fn the_same_questions_get_the_same_answers_in_the_same_order() {
        let mut facts = ReplayedFacts::default();
        let asked = |comm| Fact::Identity(Pid(7), named(comm));
        facts.learn(vec![asked("first"), asked("second")]);
        facts.learn(vec![Fact::Pids(vec![Pid(7)])]);
        assert_eq!(facts.identity(Pid(7)), named("first"));
        assert_eq!(facts.identity(Pid(7)), named("second"));
        assert_eq!(
            facts.identity(Pid(7)),
            named("second"),
            "the last one stays"
        );
        facts.learn(vec![Fact::Identity(Pid(7), None)]);
        assert_eq!(facts.identity(Pid(7)), None, "it ended");
        assert_eq!(facts.identity(Pid(8)), None, "never asked");
    }

    #[test]
    fn what_is_noted_is_what_was_answered() {
        let mut before = ReplayedFacts::default();
        before.learn(vec![Fact::Identity(Pid(1), named("init"))]);
        let mut noted = Noted::on(before);
        noted.identity(Pid(1));
        noted.maps(Pid(2));
        let notes = noted.take();
        assert_eq!(
            notes,
            [
                Fact::Identity(Pid(1), named("init")),
                Fact::Maps(Pid(2), None)
            ]
        );
        assert!(noted.take().is_empty());
    }
}
