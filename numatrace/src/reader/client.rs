//! The tracer's side: hands files over, asks for names, and counts what files cost.

use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    budget,
    lost::Lost,
    process::{Patience, Process},
    protocol::{Answer, Kind, Link, MOST_ADDRESSES, Named, Place, Question, Taken},
};

/// Number of a file that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(u32);

/// Longest reason for which a place has no name, bytes: the library's own words.
const MOST_REASON: usize = 200;

/// The reader, which is started when it is first needed, and again when a file was too much for it.
pub struct Reader {
    program: PathBuf,
    running: Option<Process>,
    /// Counts processes: a file that an earlier one had must be handed over again.
    generation: u64,
    files: HashMap<u32, Handed>,
    next: u32,
    /// Time that files may still take in this report.
    report: Duration,
    /// Time that files may still take for nothing.
    in_vain: Duration,
    /// Counts signals that ask the tracer to stop, and how many had come before this report.
    signals: Arc<AtomicU64>,
    before: u64,
}

/// A file that was handed over.
struct Handed {
    kind: Kind,
    file: File,
    /// Its debug information, and whether a name led there; `None` until it was looked for.
    debug: Option<Option<(File, bool)>>,
    shared: Option<File>,
    link: Option<Link>,
    generation: u64,
    left: Duration,
    lost: Option<Lost>,
}

/// Finds the file behind a link, and says whether a name led there.
pub type Find<'a> = &'a dyn Fn(&Link) -> Option<(File, bool)>;

impl Default for Reader {
    fn default() -> Self {
        // The link leads to this very program, also when its file was replaced.
        Self::of(PathBuf::from("/proc/self/exe"))
    }
}

impl Reader {
    /// Returns a reader that is this program.
    pub fn of(program: PathBuf) -> Self {
        Self {
            program,
            running: None,
            generation: 0,
            files: HashMap::new(),
            next: 0,
            report: budget::REPORT,
            in_vain: budget::IN_VAIN,
            signals: Arc::default(),
            before: 0,
        }
    }

    /// Uses a count of the signals that ask the tracer to stop: reading ends when one comes.
    pub fn stop_at(&mut self, signals: Arc<AtomicU64>) {
        self.signals = signals;
    }

    /// Begins a report: signals of before are not meant for its names.
    pub fn begin_report(&mut self) {
        self.report = budget::REPORT;
        self.begin_reading();
        for handed in self.files.values_mut() {
            handed.lost = handed.lost.filter(|why| !why.passes());
        }
    }

    /// Begins to read outside a report: signals of before are not meant for it.
    pub fn begin_reading(&mut self) {
        self.before = self.signals.load(Ordering::Relaxed);
    }

    /// Returns the number of the reader's process; `None` while there is none.
    pub fn process(&self) -> Option<u32> {
        self.running.as_ref().map(Process::id)
    }

    /// Hands a file over; returns its number, its build ID, and why it will have no names.
    pub fn take(&mut self, file: File, kind: Kind) -> (Number, Option<String>, Option<Lost>) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let handed = Handed {
            kind,
            file,
            debug: None,
            shared: None,
            link: None,
            generation: 0,
            left: budget::wait(size),
            lost: None,
        };
        self.files.insert(number, handed);
        let number = Number(number);
        match self.with(number, Self::hand) {
            Ok(taken) => (number, taken.build_id, None),
            Err(why) => (number, None, Some(why)),
        }
    }

    /// Returns the names of places in a file. `find` opens files with more of its debug
    /// information.
    ///
    /// # Errors
    /// Why it has no names.
    pub fn names(
        &mut self,
        number: Number,
        places: &[u64],
        find: Find<'_>,
    ) -> Result<Vec<Place>, Lost> {
        let mut names = Vec::with_capacity(places.len());
        for places in places.chunks(MOST_ADDRESSES) {
            let some = self.with(number, |reader, number| {
                reader.hand_again(number)?;
                reader.follow(number, find)?;
                let question = Question::Names(number.0, places.to_vec());
                match reader.ask(number, &question, None)? {
                    Answer::Names(names) if names.len() == places.len() => Ok(names),
                    Answer::Lost(why) => Err(why),
                    _ => Err(Lost::Nonsense),
                }
            })?;
            names.extend(some.into_iter().map(checked));
        }
        Ok(names)
    }

    /// Forgets a file.
    pub fn forget(&mut self, number: Number) {
        let Some(handed) = self.files.remove(&number.0) else {
            return;
        };
        if handed.generation == self.generation && self.running.is_some() {
            let _ = self.ask_in(&Question::Forget(number.0), None, budget::START);
        }
    }

    /// Does a part of the work for a file. An error ends the process, unless it was an answer, and
    /// the file stays lost.
    fn with<T>(
        &mut self,
        number: Number,
        work: impl FnOnce(&mut Self, Number) -> Result<T, Lost>,
    ) -> Result<T, Lost> {
        if let Some(why) = self.handed(number)?.lost {
            return Err(why);
        }
        if self.report.is_zero() || self.in_vain.is_zero() {
            return Err(Lost::NoTime);
        }
        let began = Instant::now();
        let done = work(self, number);
        let took = began.elapsed();
        self.report = self.report.saturating_sub(took);
        let handed = self.handed(number)?;
        handed.left = handed.left.saturating_sub(took);
        if let Err(why) = &done {
            handed.lost = Some(*why);
            if !why.passes() {
                self.in_vain = self.in_vain.saturating_sub(took);
            }
        }
        done
    }

    /// Hands a file over to the process that runs now.
    fn hand(&mut self, number: Number) -> Result<Taken, Lost> {
        self.start()?;
        let kind = self.handed(number)?.kind;
        let taken = self.taken(number, &Question::Take(number.0, kind), |handed| {
            Some(&handed.file)
        })?;
        let generation = self.generation;
        let handed = self.handed(number)?;
        handed.generation = generation;
        handed.link.clone_from(&taken.link);
        Ok(taken)
    }

    /// Hands a file over if the process that runs now does not have it.
    fn hand_again(&mut self, number: Number) -> Result<(), Lost> {
        self.start()?;
        if self.handed(number)?.generation == self.generation {
            return Ok(());
        }
        self.hand(number)?;
        if let Some(Some((_, linked))) = self.handed(number)?.debug {
            self.hand_debug(number, linked)?;
        }
        if self.handed(number)?.shared.is_some() {
            self.hand_shared(number)?;
        }
        Ok(())
    }

    /// Looks for more debug information, once.
    fn follow(&mut self, number: Number, find: Find<'_>) -> Result<(), Lost> {
        let handed = self.handed(number)?;
        if handed.debug.is_some() {
            return Ok(());
        }
        handed.debug = Some(None);
        let mut link = handed.link.take();
        if let Some(Link::Debug(..)) = &link
            && let Some((file, linked)) = link.take().as_ref().and_then(find)
        {
            self.handed(number)?.debug = Some(Some((file, linked)));
            link = self.hand_debug(number, linked)?.link;
        }
        if let Some(Link::Shared(..)) = &link
            && let Some((file, _)) = link.as_ref().and_then(find)
        {
            self.handed(number)?.shared = Some(file);
            self.hand_shared(number)?;
        }
        Ok(())
    }

    fn hand_debug(&mut self, number: Number, linked: bool) -> Result<Taken, Lost> {
        self.taken(number, &Question::TakeDebug(number.0, linked), |handed| {
            let debug = handed.debug.as_ref()?.as_ref()?;
            Some(&debug.0)
        })
    }

    fn hand_shared(&mut self, number: Number) -> Result<Taken, Lost> {
        self.taken(number, &Question::TakeShared(number.0), |handed| {
            handed.shared.as_ref()
        })
    }

    fn taken(
        &mut self,
        number: Number,
        question: &Question,
        file: impl FnOnce(&Handed) -> Option<&File>,
    ) -> Result<Taken, Lost> {
        let file = file(self.handed(number)?).ok_or(Lost::Changed)?;
        let file = file.try_clone().map_err(|_| Lost::Changed)?;
        match self.ask(number, question, Some(&file))? {
            Answer::Taken(taken) => Ok(taken),
            Answer::Lost(why) => Err(why),
            _ => Err(Lost::Nonsense),
        }
    }

    fn ask(
        &mut self,
        number: Number,
        question: &Question,
        file: Option<&File>,
    ) -> Result<Answer, Lost> {
        let left = self.handed(number)?.left.min(self.report);
        self.ask_in(question, file, left)
    }

    fn ask_in(
        &mut self,
        question: &Question,
        file: Option<&File>,
        time: Duration,
    ) -> Result<Answer, Lost> {
        let (signals, before) = (Arc::clone(&self.signals), self.before);
        let patience = Patience {
            until: Instant::now() + time,
            interrupted: &|| signals.load(Ordering::Relaxed) > before,
        };
        let running = self.running.as_mut().ok_or(Lost::NoReader)?;
        let asked = running.ask(question, file, patience);
        if asked.is_err() {
            self.running = None;
        }
        asked
    }

    /// Starts the process if it does not run.
    fn start(&mut self) -> Result<(), Lost> {
        if self.running.is_none() {
            let (signals, before) = (Arc::clone(&self.signals), self.before);
            let interrupted = || signals.load(Ordering::Relaxed) > before;
            self.running = Some(Process::start(&self.program, &interrupted)?);
            self.generation += 1;
        }
        Ok(())
    }

    fn handed(&mut self, number: Number) -> Result<&mut Handed, Lost> {
        self.files.get_mut(&number.0).ok_or(Lost::Nonsense)
    }
}

/// Returns an answer with the lengths that answers should have.
fn checked(place: Place) -> Place {
    match place {
        Ok(mut named) => {
            Named::cap(&mut named);
            Ok(named)
        }
        Err(mut why) => {
            let cut = why.char_indices().nth(MOST_REASON).map(|(at, _)| at);
            why.truncate(cut.unwrap_or(why.len()));
            Err(why)
        }
    }
}
