//! Ends a command with its process group: first asks it to stop, and kills it only in the end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::clock::{Deadline, time_limit};
use crate::program::RunningProgram;

/// The signals, in order. Terraform stops at `SIGINT`, writes its state and releases the lock of the
/// state. Its providers ignore `SIGINT` but die of `SIGTERM`, and with them what they are creating.
const SIGNALS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::KILL];
/// How long the process group of a deployment's command may take to end after each signal.
pub const TERM_GRACE: Duration = Duration::from_secs(10);

/// The number of terminations under way.
static UNDER_WAY: Mutex<usize> = Mutex::new(0);

/// A command that is being ended.
///
/// As long as a termination is under way, processes that lose their parent become children of this
/// process, so that it can reap them: in a container there may be no `init` that does. At other
/// times they do not, because a server that a command left running would remain as a zombie after
/// its end, and look alive.
pub(super) struct Termination {
    signals: std::slice::Iter<'static, Signal>,
    /// How long the group may take to end after each signal.
    grace: Duration,
    deadline: Deadline,
}

impl Termination {
    /// Sends the first signal to the process group of a command.
    pub(super) fn start(running: &RunningProgram, grace: Duration) -> Self {
        adopt_orphans(|count| count + 1);
        let mut termination = Self {
            signals: SIGNALS.iter(),
            grace,
            deadline: Deadline::after(Duration::ZERO),
        };
        termination.signal(running);
        termination
    }

    /// Sends the next signal if it is time for it. Returns `false` if the group has not ended even
    /// after the last one, which happens if a process hangs in the kernel.
    pub(super) fn signal(&mut self, running: &RunningProgram) -> bool {
        if !self.deadline.has_passed() {
            return true;
        }
        let Some(signal) = self.signals.next() else {
            return false;
        };
        running.signal_group(*signal);
        self.deadline = Deadline::after(time_limit("kill", self.grace));
        true
    }
}

impl Drop for Termination {
    fn drop(&mut self) {
        adopt_orphans(|count| count.saturating_sub(1));
    }
}

/// Changes the number of terminations under way, and decides whether this process adopts the
/// processes that lose their parent.
fn adopt_orphans(change: impl FnOnce(usize) -> usize) {
    let mut count = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    *count = change(*count);
    #[cfg(target_os = "linux")]
    {
        let adopter = (*count > 0).then(rustix::process::getpid);
        // The call cannot fail for one's own process.
        let _ = rustix::process::set_child_subreaper(adopter);
    }
}
