//! Progress bars, and interruption of long operations.
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::SigId;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
pub use sinkd::analysis::watched;

/// A progress bar on stderr; invisible if stderr is not a terminal.
pub struct TerminalBar(ProgressBar);

impl TerminalBar {
    /// Returns a bar that ends at `total`; `unit` is what the total counts, for example "messages".
    pub fn new(total: u64, unit: &str) -> TerminalBar {
        if !std::io::stderr().is_terminal() {
            return TerminalBar(ProgressBar::hidden());
        }
        let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).expect("the template is correct");
        TerminalBar(ProgressBar::new(total).with_style(style))
    }

    /// Sets the amount done.
    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Sets the total.
    fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }
}

impl Drop for TerminalBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Returns a callback that shows a bar once the total is known; its arguments are the amount done
/// and the total.
pub fn bar(unit: &'static str) -> impl FnMut(u64, u64) {
    let mut bar = None;
    move |done, total| {
        let bar = bar.get_or_insert_with(|| TerminalBar::new(total, unit));
        bar.set_total(total);
        bar.at(done);
    }
}

/// While this exists, a signal sets a flag instead of ending the process; a second signal ends it.
pub struct Interruptible([SigId; 2]);

impl Interruptible {
    /// Makes Ctrl-C set `stop`.
    pub fn new(stop: &Arc<AtomicBool>) -> std::io::Result<Interruptible> {
        Interruptible::by(SIGINT, stop)
    }

    /// Makes another signal set a flag; several signals may share one.
    pub fn by(signal: i32, stop: &Arc<AtomicBool>) -> std::io::Result<Interruptible> {
        // The order matters: at the first signal, the handler registered first finds the flag
        // unset, and the other one sets it.
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
