//! The state of the screen: the frames so far and the person's place in them. Pure: no terminal, no
//! clock.

use std::{sync::Arc, time::Duration};

use super::{
    absences::Absences,
    column::Column,
    detail::{Details, Identity, identity},
    findings::Findings,
    history::History,
    recording::Recording,
    theme::Theme,
    transfer::Transfer,
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

/// Settings with which a screen opens.
#[derive(Clone, Debug)]
pub struct Options {
    /// With colours.
    pub color: bool,
    /// The first interval.
    pub interval: Duration,
    /// The processes that are traced in detail.
    pub scope: Scope,
}

/// A view that a digit leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Processes, sorted by a column.
    Processes,
    /// Nodes with their counters and memory.
    Nodes,
    /// A transfer from node to node.
    Matrix,
    /// Threads away from their memory.
    Moves,
    /// Findings of the last minute.
    Findings,
}

impl View {
    /// All views, in the order of their digits from 1 on.
    pub const ALL: [Self; 5] = [
        Self::Processes,
        Self::Nodes,
        Self::Matrix,
        Self::Moves,
        Self::Findings,
    ];

    /// Returns its name.
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

/// The meaning of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the program.
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
    /// The previous transfer in the matrix.
    Left,
    /// The next transfer in the matrix.
    Right,
    /// Into the row of the cursor.
    Enter,
    /// Out of help, filter or details.
    Back,
    /// Show another view.
    Show(View),
    /// Show or hide the help.
    Help,
    /// Sort by the next column.
    Sort,
    /// Reverse the order.
    Reverse,
    /// Begin to type a filter.
    Filter,
    /// Add a character to the filter.
    Type(char),
    /// Remove the last character.
    Erase,
    /// Pause the screen, or continue.
    Pause,
    /// Start a recording, or stop it.
    Record,
    /// A longer interval.
    Slower,
    /// A shorter interval.
    Faster,
}

/// A request to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End.
    Quit,
    /// Refresh at this interval from now on.
    Interval(Duration),
    /// Start a recording, or stop the one that runs.
    Record,
}

/// The state that the views draw.
#[derive(Clone, Debug)]
pub struct App {
    /// The frame on the screen.
    pub frame: Option<Arc<ScreenFrame>>,
    /// The newest frame, while the screen is paused.
    newest: Option<Arc<ScreenFrame>>,
    /// The screen is paused.
    pub paused: bool,
    /// State of the recording.
    pub recording: Recording,
    /// Interval of refreshes.
    pub interval: Duration,
    /// The processes that are traced in detail.
    pub scope: Scope,
    /// Colours.
    pub theme: Theme,
    /// The view behind details and help.
    pub view: View,
    /// The process whose details are shown.
    pub detail: Option<Identity>,
    /// The help is shown.
    pub help: bool,
    /// The column that sorts the processes.
    pub sort: Column,
    /// The smallest comes first.
    pub reversed: bool,
    /// Only processes with this in their name or PID are shown.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// Row of the cursor, or first line shown.
    pub cursor: usize,
    /// The process under the cursor, once the cursor was moved.
    chosen: Option<Identity>,
    /// The transfer in the matrix.
    pub transfer: Transfer,
    /// Counters of past intervals.
    pub history: History,
    /// Absences of threads.
    pub absences: Absences,
    /// Mappings of processes.
    pub details: Details,
    /// Findings of the last minute.
    pub findings: Findings,
    /// Number of frames so far.
    pub frames: u64,
}

impl App {
    /// An empty screen.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            frame: None,
            newest: None,
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
            sort: Column::Mismatch,
            reversed: false,
            filter: String::new(),
            typing: false,
            cursor: 0,
            chosen: None,
            transfer: Transfer::Allocations,
            history: History::default(),
            absences: Absences::default(),
            details: Details::default(),
            findings: Findings::default(),
            frames: 0,
        }
    }

    /// Adds a frame. While the screen is paused, the frame counts but is not shown.
    pub fn add(&mut self, frame: Arc<ScreenFrame>) {
        self.frames += 1;
        self.history.add(&frame.snapshot);
        self.absences.add(&frame);
        self.details.add(&frame.snapshot);
        self.findings.add(&frame.snapshot);
        if self.paused {
            self.newest = Some(frame);
        } else {
            self.frame = Some(frame);
            self.follow();
        }
    }

    /// Applies an action; returns a request for the session.
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
            Action::Left => self.transfer = self.transfer.step(-1),
            Action::Right => self.transfer = self.transfer.step(1),
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
                if let Some(frame) = self.newest.take().filter(|_| !self.paused) {
                    self.frame = Some(frame);
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

    /// Leaves help, filter or details, in this order. From a view there is no way further out, so
    /// that Esc never ends the program by accident.
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
            // In the first row the cursor stays; in any other it follows the process.
            self.chosen = chosen.filter(|_| self.cursor > 0);
        }
    }

    /// Moves the cursor to the row of the chosen process.
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

    /// Returns the number of rows for the cursor. Lines of text scroll; their number is known only
    /// when they are drawn.
    fn rows(&self) -> usize {
        let Some(frame) = &self.frame else { return 1 };
        match self.view {
            View::Processes if self.detail.is_none() => self.processes().len(),
            View::Nodes | View::Matrix => frame.snapshot.host.nodes.len(),
            View::Moves => self.absences.len(),
            View::Findings | View::Processes => 1_000,
        }
    }

    /// Returns the processes that pass the filter, in the order of the screen.
    #[must_use]
    pub fn processes(&self) -> Vec<&Process> {
        let Some(frame) = &self.frame else {
            return Vec::new();
        };
        let mut rows: Vec<&Process> = frame
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

    /// Returns the process whose details are shown; `None` when it was inactive in the interval.
    #[must_use]
    pub fn detailed(&self) -> Option<&Process> {
        let wanted = self.detail?;
        let frame = self.frame.as_ref()?;
        frame
            .snapshot
            .processes
            .iter()
            .find(|process| identity(process) == wanted)
    }
}
