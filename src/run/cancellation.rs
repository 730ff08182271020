//! Whether a run may go on: asked to stop once, it begins nothing new; asked twice, it ends what runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How urgently everything is to stop.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Asks to stop: to begin nothing new at first; a second time, to end what runs.
    pub fn ask(&self) {
        // Two at most: what follows changes nothing.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |asked| {
                (asked < 2).then(|| asked + 1)
            });
    }

    /// Asks at once to end what runs.
    pub fn ask_at_once(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    /// Whether nothing new is to be begun.
    pub fn begins_nothing(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether what runs is to be ended.
    pub fn ends_all(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }

    /// Listens to signals from now on: Ctrl-C asks; being terminated, or left by the terminal, asks at once, as a CI system that cancels a job
    /// kills it soon after. `told` hears of each.
    ///
    /// # Errors
    /// The system takes no handler.
    pub fn listen(self: &Arc<Self>, told: impl Fn(&Self) + Send + 'static) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let stop = Arc::clone(self);
        std::thread::Builder::new().spawn(move || {
            for signal in &mut signals {
                match signal {
                    SIGINT => stop.ask(),
                    _ => stop.ask_at_once(),
                }
                told(&stop);
            }
        })?;
        Ok(())
    }
}
