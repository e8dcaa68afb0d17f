//! The full screen of `numatrace top`: state that keys and looks change, and views that are functions of it.
//!
//! `app` and what it holds are pure; `keys` turns key presses into actions; `view` makes lines of text of a state and a size; `screen` is the only
//! part that knows a terminal.

mod app;
mod column;
mod detail;
mod findings;
mod history;
mod keys;
mod quantity;
mod rate;
mod recording;
mod screen;
mod stories;
pub mod terminal;
mod theme;
mod view;

pub use app::{Action, App, Options, Order, View};
pub use column::Column;
pub use keys::action;
pub use recording::Recording;
pub use screen::Screen;
pub use view::draw;
