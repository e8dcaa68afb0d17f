//! The state of the screen: what was looked at, and where the person is. Pure: no terminal, no clock.

use std::{sync::Arc, time::Duration};

use super::{
    column::Column,
    detail::{Details, Identity, identity},
    findings::Findings,
    history::History,
    quantity::Quantity,
    recording::Recording,
    stories::Stories,
    theme::Theme,
};
use crate::{
    model::{Process, frame::ScreenFrame, report::Scope},
    output::escape,
};

/// Intervals that `+` and `-` go through.
const INTERVALS: [Duration; 7] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// Rows of a page up or down.
const PAGE: usize = 10;

/// Longest filter that can be typed.
const FILTER: usize = 64;

/// What a screen is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// With colours.
    pub color: bool,
    /// The first interval.
    pub interval: Duration,
    /// Whose details are wanted.
    pub scope: Scope,
}

/// A view that a digit leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Processes, ranked.
    Processes,
    /// Nodes with their counters and memory.
    Nodes,
    /// A quantity from node to node.
    Matrix,
    /// Threads away from their memory.
    Moves,
    /// Diagnoses.
    Findings,
}

impl View {
    /// All, in the order of their digits from 1 on.
    pub const ALL: [Self; 5] = [
        Self::Processes,
        Self::Nodes,
        Self::Matrix,
        Self::Moves,
        Self::Findings,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Nodes => "nodes",
            Self::Matrix => "matrix",
            Self::Moves => "moves",
            Self::Findings => "findings",
        }
    }
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End it.
    Quit,
    /// Up by a row.
    Up,
    /// Down by a row.
    Down,
    /// Up by a page.
    PageUp,
    /// Down by a page.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// The quantity before.
    Left,
    /// The next quantity.
    Right,
    /// Into the row of the cursor.
    Enter,
    /// Out of wherever this is.
    Back,
    /// Show another view.
    Show(View),
    /// Show or hide the help.
    Help,
    /// Sort by the next column.
    Sort,
    /// Sort the other way round.
    Reverse,
    /// Begin to type a filter.
    Filter,
    /// A character of the filter.
    Type(char),
    /// Take one back.
    Erase,
    /// Hold the screen, or let it go on.
    Pause,
    /// Begin a recording, or end it.
    Record,
    /// A longer interval.
    Slower,
    /// A shorter interval.
    Faster,
}

/// What the session is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End.
    Quit,
    /// Refresh this often from now on.
    Interval(Duration),
    /// Begin a recording, or end the one there is.
    Record,
}

/// Everything the views are functions of.
#[derive(Clone, Debug)]
pub struct App {
    /// What is shown.
    pub look: Option<Arc<ScreenFrame>>,
    /// The newest, while the screen is held.
    held: Option<Arc<ScreenFrame>>,
    /// The screen is held.
    pub paused: bool,
    /// What is recorded.
    pub recording: Recording,
    /// How often it is refreshed.
    pub interval: Duration,
    /// Whose details are wanted.
    pub scope: Scope,
    /// How things look.
    pub theme: Theme,
    /// The view behind detail and help.
    pub view: View,
    /// The process whose details are shown.
    pub detail: Option<Identity>,
    /// The help is shown.
    pub help: bool,
    /// The column processes are sorted by.
    pub sort: Column,
    /// Least first.
    pub reversed: bool,
    /// Only processes whose name or number holds this.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// Row of the cursor, or first line shown.
    pub cursor: usize,
    /// The process under the cursor, once it was moved.
    chosen: Option<Identity>,
    /// What the matrix shows.
    pub quantity: Quantity,
    /// Counters of the past.
    pub history: History,
    /// Incidents.
    pub stories: Stories,
    /// Mappings of processes.
    pub details: Details,
    /// Findings of the last minute.
    pub findings: Findings,
    /// Looks that were taken in.
    pub looks: u64,
}

impl App {
    /// An empty screen.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            look: None,
            held: None,
            paused: false,
            recording: Recording::Off,
            interval: options.interval,
            scope: options.scope,
            theme: Theme {
                color: options.color,
            },
            view: View::Processes,
            detail: None,
            help: false,
            sort: Column::Remote,
            reversed: false,
            filter: String::new(),
            typing: false,
            cursor: 0,
            chosen: None,
            quantity: Quantity::Allocations,
            history: History::default(),
            stories: Stories::default(),
            details: Details::default(),
            findings: Findings::default(),
            looks: 0,
        }
    }

    /// Takes in a look. While the screen is held it is counted and kept, and not shown.
    pub fn take(&mut self, look: Arc<ScreenFrame>) {
        self.looks += 1;
        self.history.take(&look.snapshot);
        self.stories.take(&look);
        self.details.take(&look.snapshot);
        self.findings.take(&look.snapshot);
        if self.paused {
            self.held = Some(look);
        } else {
            self.look = Some(look);
            self.follow();
        }
    }

    /// Does what a key means; what concerns the session comes back.
    pub fn apply(&mut self, action: Action) -> Option<Order> {
        match action {
            Action::Quit => return Some(Order::Quit),
            Action::Slower => return self.step(1),
            Action::Faster => return self.step(-1),
            Action::Record => return Some(Order::Record),
            Action::Up => self.move_to(self.cursor.saturating_sub(1)),
            Action::Down => self.move_to(self.cursor.saturating_add(1)),
            Action::PageUp => self.move_to(self.cursor.saturating_sub(PAGE)),
            Action::PageDown => self.move_to(self.cursor.saturating_add(PAGE)),
            Action::First => self.move_to(0),
            Action::Last => self.move_to(usize::MAX),
            Action::Left => self.quantity = self.quantity.step(-1),
            Action::Right => self.quantity = self.quantity.step(1),
            Action::Enter => self.enter(),
            Action::Back => return self.back(),
            Action::Show(view) => self.show(view),
            Action::Help => self.help = !self.help,
            Action::Sort => {
                self.sort = self.sort.next();
                self.follow();
            }
            Action::Reverse => {
                self.reversed = !self.reversed;
                self.follow();
            }
            Action::Filter => {
                self.show(View::Processes);
                self.typing = true;
            }
            Action::Type(c) => {
                if self.filter.len() < FILTER && !escape::is_hostile(c) {
                    self.filter.push(c);
                }
                self.move_to(0);
            }
            Action::Erase => {
                self.filter.pop();
                self.move_to(0);
            }
            Action::Pause => {
                self.paused = !self.paused;
                if let Some(look) = self.held.take().filter(|_| !self.paused) {
                    self.look = Some(look);
                    self.follow();
                }
            }
        }
        None
    }

    fn step(&mut self, by: isize) -> Option<Order> {
        let longer = INTERVALS.iter().find(|one| **one > self.interval);
        let shorter = INTERVALS.iter().rev().find(|one| **one < self.interval);
        self.interval = *if by > 0 { longer } else { shorter }?;
        Some(Order::Interval(self.interval))
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.detail = None;
        self.help = false;
        self.cursor = 0;
        self.chosen = None;
    }

    fn enter(&mut self) {
        if self.typing {
            self.typing = false;
        } else if self.help {
            self.help = false;
        } else if self.view == View::Processes && self.detail.is_none() {
            let chosen = self.processes().get(self.cursor).map(|row| identity(row));
            self.detail = chosen;
            self.chosen = chosen;
            self.cursor = 0;
        }
    }

    /// Out of help, filter, detail, in this order; from a view there is no way further out, so that Esc never ends it by accident.
    fn back(&mut self) -> Option<Order> {
        if self.help {
            self.help = false;
        } else if self.typing {
            self.typing = false;
            self.filter.clear();
        } else if self.detail.take().is_some() {
            self.follow();
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else {
            self.show(View::Processes);
        }
        None
    }

    fn move_to(&mut self, row: usize) {
        self.cursor = row.min(self.rows().saturating_sub(1));
        if self.lists_processes() {
            let chosen = self.processes().get(self.cursor).map(|row| identity(row));
            // The first row is whoever is first; any other is the process that was chosen.
            self.chosen = chosen.filter(|_| self.cursor > 0);
        }
    }

    /// The cursor goes with the process it was put on.
    fn follow(&mut self) {
        if self.lists_processes() {
            if let Some(chosen) = self.chosen {
                let at = self
                    .processes()
                    .iter()
                    .position(|row| identity(row) == chosen);
                self.cursor = at.unwrap_or(self.cursor);
            }
            self.cursor = self.cursor.min(self.rows().saturating_sub(1));
        }
    }

    fn lists_processes(&self) -> bool {
        self.view == View::Processes && self.detail.is_none()
    }

    /// Rows the cursor can be put on; lines of text scroll, and know their end when they are drawn.
    fn rows(&self) -> usize {
        let Some(look) = &self.look else { return 1 };
        match self.view {
            View::Processes if self.detail.is_none() => self.processes().len(),
            View::Nodes | View::Matrix => look.snapshot.host.nodes.len(),
            View::Moves => self.stories.len(),
            View::Findings | View::Processes => 1_000,
        }
    }

    /// The processes that pass the filter, in the order of the screen.
    #[must_use]
    pub fn processes(&self) -> Vec<&Process> {
        let Some(look) = &self.look else {
            return Vec::new();
        };
        let mut rows: Vec<&Process> = look
            .snapshot
            .processes
            .iter()
            .filter(|process| self.passes(process))
            .collect();
        rows.sort_by(|a, b| self.sort.order(a, b, self.reversed));
        rows
    }

    fn passes(&self, process: &Process) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let wanted = self.filter.to_lowercase();
        let name = escape::text(process.comm.as_bytes()).to_lowercase();
        name.contains(&wanted) || process.pid.to_string().contains(&wanted)
    }

    /// The process whose details are shown, while it did anything in the interval.
    #[must_use]
    pub fn detailed(&self) -> Option<&Process> {
        let wanted = self.detail?;
        let look = self.look.as_ref()?;
        look.snapshot
            .processes
            .iter()
            .find(|process| identity(process) == wanted)
    }
}
