//! The requests to stop a run. After the first request, running steps finish and no new ones start.
//! The second cancels the running steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The number of requests to stop, up to 2, shared between threads.
#[derive(Debug, Default)]
pub struct Cancellation(AtomicU8);

impl Cancellation {
    /// Requests a stop. After the first call no new steps start. The second call cancels the
    /// running steps.
    pub fn request(&self) {
        // Further calls change nothing.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |requests| {
                (requests < 2).then(|| requests + 1)
            });
    }

    /// Asks to cancel the running steps right away.
    pub fn request_kill(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    /// Returns whether a stop was requested, so that no new steps may start.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Returns whether running steps are to be cancelled.
    pub fn is_killing(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }

    /// Listens for signals from now on. Ctrl-C counts as one request. Termination and a closed
    /// terminal cancel the running steps right away, because a CI system that cancels a job kills
    /// it soon after. Calls `on_request` after each signal.
    ///
    /// # Errors
    /// The system does not accept the signal handler.
    pub fn listen_for_signals(
        self: &Arc<Self>,
        on_request: impl Fn(&Self) + Send + 'static,
    ) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let cancellation = Arc::clone(self);
        std::thread::Builder::new().spawn(move || {
            for signal in &mut signals {
                match signal {
                    SIGINT => cancellation.request(),
                    _ => cancellation.request_kill(),
                }
                on_request(&cancellation);
            }
        })?;
        Ok(())
    }
}
