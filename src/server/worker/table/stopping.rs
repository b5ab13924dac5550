//! Stopping: idle clients are dismissed first, all others after the grace period.
use crate::smtp::session::Farewell;

use super::{Interests, Table};
use crate::server::connection::Flow;
use crate::server::recording::Doing;
use crate::server::shutdown::StopStage;
use crate::server::worker::stopping::Stopping;

impl<I: Interests> Table<I> {
    /// Returns the stage of the stop that these connections have reached.
    pub fn stage(&self) -> StopStage {
        self.stopping.stage()
    }

    /// Follows the stage of the sink. Returns true when the stop begins; idle clients have then
    /// been dismissed.
    pub fn begins_to_stop(&mut self) -> bool {
        let wanted = self.state.stop().stage();
        if wanted <= self.stage() {
            return false;
        }
        if let Stopping::Begun { stage, .. } = &mut self.stopping {
            *stage = wanted;
            return false;
        }
        self.state.counters().doing(Doing::Stopping);
        let grace_ends_ms = self.now_ms().saturating_add(self.settings.get().times.grace);
        self.stopping = Stopping::Begun { stage: wanted, grace_ends_ms };
        self.dismiss_all(DismissedClients::Idle);
        true
    }

    /// Closes all connections, if the grace period is over or the sink stops at once.
    pub fn continue_stopping(&mut self) {
        if self.stage() == StopStage::AtOnce {
            self.close_all();
        } else if self.stopping.grace_left_ms(self.now_ms()) == Some(0) {
            self.dismiss_all(DismissedClients::All);
            self.close_all();
        }
    }

    fn dismiss_all(&mut self, whom: DismissedClients) {
        for place in self.connections.places() {
            let Some(conn) = self.connections.at(place) else { continue };
            let has_not_begun = matches!(conn.flow, Flow::Preamble | Flow::Handshake(_));
            if whom == DismissedClients::All || conn.is_idle() || has_not_begun {
                self.dismiss(place, Farewell::Stopping);
            }
        }
    }

    fn close_all(&mut self) {
        for place in self.connections.places() {
            self.close(place);
        }
    }
}

/// Which connections are dismissed.
#[derive(Clone, Copy, PartialEq)]
enum DismissedClients {
    Idle,
    All,
}
