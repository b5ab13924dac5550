//! `sinkctl top`: a live screen, from the data folder alone.
//!
//! `folder` reads the folder, `model` holds the state, `view` draws it; this file has the terminal,
//! the keys and the clock.
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGINT, SIGTERM};
use sinkd::log::reader::Folder;

use crate::base::outcome::Finding;
use model::RunState;
use view::ScreenState;

mod canvas;
mod folder;
mod measure;
mod model;
mod text;
mod view;

/// Time between two reads of the folder.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum delay until a signal is handled.
const WAIT_MAX: Duration = Duration::from_millis(200);

pub fn run(folder: Folder) -> anyhow::Result<Finding> {
    anyhow::ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "top needs a terminal; for a program, use sinkctl stats --json"
    );
    let ended = Arc::new(AtomicBool::new(false));
    // SIGHUP ends the program as usual: the terminal is gone, and crossterm would read its
    // end-of-file forever. A second signal also ends it, in case the first is not handled.
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, ended.clone())?;
        signal_hook::flag::register(signal, ended.clone())?;
    }
    // From here on, a panic also restores the terminal.
    let mut terminal = ratatui::try_init().context("cannot set up the terminal")?;
    let result = show(&mut terminal, folder, &ended);
    ratatui::restore();
    result.map(|()| Finding::Done)
}

fn show(terminal: &mut DefaultTerminal, folder: Folder, ended: &AtomicBool) -> anyhow::Result<()> {
    let mut screen = ScreenState::of_environment(|name| std::env::var(name).ok());
    let mut state = RunState::new(folder.path());
    let mut reader = folder::FolderReader::new(folder);
    let mut next_look = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        if Instant::now() >= next_look {
            next_look = Instant::now() + POLL_INTERVAL;
            if !screen.is_paused {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                reader.refresh(now.as_secs(), &mut state);
            }
        }
        terminal.draw(|frame| view::draw(frame, &state, &screen))?;
        if wait_for_event(next_look, ended)? && press(event::read()?, &mut screen) == KeyEffect::End
        {
            break;
        }
    }
    Ok(())
}

/// Waits until a time, an event or a signal. Returns whether there is an event.
fn wait_for_event(until: Instant, ended: &AtomicBool) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match event::poll(left.min(WAIT_MAX)) {
            Ok(true) => return Ok(true),
            Ok(false) if left.is_zero() || ended.load(Ordering::Relaxed) => return Ok(false),
            Ok(false) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyEffect {
    GoOn,
    End,
}

/// Applies an event to the screen.
fn press(event: Event, screen: &mut ScreenState) -> KeyEffect {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else {
        return KeyEffect::GoOn;
    };
    let is_control_c = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    match code {
        _ if is_control_c => return KeyEffect::End,
        KeyCode::Char('q') | KeyCode::Esc if !screen.is_help => return KeyEffect::End,
        _ if screen.is_help => screen.is_help = false,
        KeyCode::Char('?' | 'h') => screen.is_help = true,
        KeyCode::Char('p' | ' ') => screen.is_paused = !screen.is_paused,
        KeyCode::Char('m') | KeyCode::Right | KeyCode::Down => screen.shown = screen.shown.next(),
        KeyCode::Char('M') | KeyCode::Left | KeyCode::Up => screen.shown = screen.shown.before(),
        _ => {}
    }
    KeyEffect::GoOn
}

#[cfg(test)]
mod tests {
    use super::*;
    use measure::Measure;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn keys_do_what_the_help_says() {
        let none = KeyModifiers::NONE;
        let mut screen = ScreenState::of_environment(|_| None);
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(key(code, none), &mut screen), KeyEffect::End);
        }
        let control_c = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(control_c, &mut screen), KeyEffect::End);
        assert_eq!(press(key(KeyCode::Char('c'), none), &mut screen), KeyEffect::GoOn);
        press(key(KeyCode::Char(' '), none), &mut screen);
        assert!(screen.is_paused);
        press(key(KeyCode::Char('p'), none), &mut screen);
        assert!(!screen.is_paused);
        press(key(KeyCode::Char('m'), none), &mut screen);
        press(key(KeyCode::Right, none), &mut screen);
        press(key(KeyCode::Left, none), &mut screen);
        assert_eq!(screen.shown, Measure::FIRST.next());
        press(key(KeyCode::Char('?'), none), &mut screen);
        assert!(screen.is_help);
        // Esc closes the help first.
        assert_eq!(press(key(KeyCode::Esc, none), &mut screen), KeyEffect::GoOn);
        assert!(!screen.is_help);
        assert_eq!(press(Event::Resize(1, 1), &mut screen), KeyEffect::GoOn);
    }
}
