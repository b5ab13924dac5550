//! What a person sees, and may do, while something takes long.
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::SigId;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
pub use sinkd::analysis::watched;

/// A bar on stderr; nothing where stderr is not a terminal.
pub struct TerminalBar(ProgressBar);

impl TerminalBar {
    /// `unit`: what the total counts, for example "messages".
    pub fn new(total: u64, unit: &str) -> TerminalBar {
        if !std::io::stderr().is_terminal() {
            return TerminalBar(ProgressBar::hidden());
        }
        let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).expect("the template is correct");
        TerminalBar(ProgressBar::new(total).with_style(style))
    }

    /// Sets the amount that is done.
    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Sets the amount that there is to do.
    fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }
}

impl Drop for TerminalBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar for what is not known to be long until it is begun: takes how much is done, and of how
/// much.
pub fn bar(unit: &'static str) -> impl FnMut(u64, u64) {
    let mut bar = None;
    move |done, total| {
        let bar = bar.get_or_insert_with(|| TerminalBar::new(total, unit));
        bar.set_total(total);
        bar.at(done);
    }
}

/// While it lives, a signal sets a flag instead of ending us; a second one ends us.
pub struct Interruptible([SigId; 2]);

impl Interruptible {
    /// Sets `stop` on the first Ctrl-C.
    pub fn new(stop: &Arc<AtomicBool>) -> std::io::Result<Interruptible> {
        Interruptible::by(SIGINT, stop)
    }

    /// Sets a flag at another signal; several signals may share a flag.
    pub fn by(signal: i32, stop: &Arc<AtomicBool>) -> std::io::Result<Interruptible> {
        // In this order: the first finds the flag unset and sets it.
        let second = flag::register_conditional_default(signal, stop.clone())?;
        Ok(Interruptible([second, flag::register(signal, stop.clone())?]))
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        for id in self.0 {
            signal_hook::low_level::unregister(id);
        }
    }
}
