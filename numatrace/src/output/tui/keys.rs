//! Keys to actions. The meaning of a key depends only on whether a filter is being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{Action, View};

/// Returns the action of a key; `None` when it has none.
#[must_use]
pub fn action(key: KeyEvent, typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => Some(Action::Quit),
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) if typing => Some(Action::Type(c)),
        KeyCode::Backspace if typing => Some(Action::Erase),
        KeyCode::Char(c) => letter(c),
        KeyCode::Up => Some(Action::Up),
        KeyCode::Down => Some(Action::Down),
        KeyCode::PageUp => Some(Action::PageUp),
        KeyCode::PageDown => Some(Action::PageDown),
        KeyCode::Home => Some(Action::First),
        KeyCode::End => Some(Action::Last),
        KeyCode::Left | KeyCode::BackTab => Some(Action::Left),
        KeyCode::Right | KeyCode::Tab => Some(Action::Right),
        KeyCode::Enter => Some(Action::Enter),
        KeyCode::Esc => Some(Action::Back),
        KeyCode::Backspace => Some(Action::Back),
        _ => None,
    }
}

fn letter(c: char) -> Option<Action> {
    Some(match c {
        'q' | 'Q' => Action::Quit,
        'h' | '?' => Action::Help,
        'j' => Action::Down,
        'k' => Action::Up,
        'g' => Action::First,
        'G' => Action::Last,
        's' => Action::Sort,
        'S' => Action::Reverse,
        '/' => Action::Filter,
        ' ' => Action::Pause,
        'r' => Action::Record,
        '+' | '=' => Action::Slower,
        '-' => Action::Faster,
        'b' => Action::Back,
        'm' => Action::Right,
        'M' => Action::Left,
        digit => {
            let digit = usize::try_from(digit.to_digit(10)?).ok()?;
            Action::Show(*View::ALL.get(digit.checked_sub(1)?)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn letters_are_text_while_a_filter_is_typed_and_keys_otherwise() {
        let q = plain(KeyCode::Char('q'));
        assert_eq!(action(q, false), Some(Action::Quit));
        assert_eq!(action(q, true), Some(Action::Type('q')));
        let back = plain(KeyCode::Backspace);
        assert_eq!(action(back, true), Some(Action::Erase));
        assert_eq!(action(back, false), Some(Action::Back));
    }

    #[test]
    fn control_c_quits_in_every_mode() {
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(key, true), Some(Action::Quit));
        assert_eq!(action(key, false), Some(Action::Quit));
    }

    #[test]
    fn digits_lead_to_the_views_that_exist() {
        let digit = |c| action(plain(KeyCode::Char(c)), false);
        assert_eq!(digit('1'), Some(Action::Show(View::Processes)));
        assert_eq!(digit('5'), Some(Action::Show(View::Findings)));
        assert_eq!(digit('0'), None);
        assert_eq!(digit('9'), None);
    }
}
