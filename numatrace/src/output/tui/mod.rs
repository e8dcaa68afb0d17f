//! The full screen of `numatrace top`: a state that keys and frames change, and views of it.
//!
//! `app` and its parts are pure; `keys` turns key presses into actions; `view` turns a state and a
//! size into lines of text; only `screen` and `terminal` know a terminal.

mod absences;
mod app;
mod column;
mod detail;
mod findings;
mod history;
mod keys;
mod recording;
mod screen;
pub mod terminal;
mod theme;
mod transfer;
mod view;

pub use app::{Action, App, Options, Order, View};
pub use column::Column;
pub use keys::action;
pub use recording::Recording;
pub use screen::Screen;
pub use transfer::Transfer;
pub use view::{draw, headers};
