//! The time limit of a hook. It also applies in the middle of an entry, whatever takes long:
//! reading a tree or waiting for a disk.
//!
//! The work runs in its own thread. After the limit, the hook reports that it cannot tell and ends,
//! and the thread with it. But once the thread has begun to move refs, the hook waits for its end,
//! so that git learns the result.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::HookError;
use crate::clock;

const JUDGING: u8 = 0;
const WRITING: u8 = 1;
const LATE: u8 = 2;

/// State shared by the work and its time limit.
#[derive(Debug, Clone, Default)]
pub struct HookDeadline(Arc<AtomicU8>);

impl HookDeadline {
    /// Announces that refs are moved from now on.
    ///
    /// # Errors
    /// The time limit has passed, and git was told so.
    pub fn begin_writing(&self) -> Result<(), HookError> {
        let began = self
            .0
            .compare_exchange(JUDGING, WRITING, Ordering::SeqCst, Ordering::SeqCst);
        began.map(drop).map_err(|_| HookError::TimedOut)
    }

    /// Returns whether the time limit has passed and no refs are being moved.
    fn expire(&self) -> bool {
        self.0
            .compare_exchange(JUDGING, LATE, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

/// Does some work within a time limit.
pub fn run_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&HookDeadline) -> Result<T, HookError> + Send + 'static,
) -> Result<T, HookError> {
    let watch = HookDeadline::default();
    let own = watch.clone();
    let (sender, receiver) = mpsc::channel();
    // After the limit, nothing receives the result.
    let thread = std::thread::Builder::new().spawn(move || drop(sender.send(work(&own))));
    thread.map_err(HookError::Thread)?;
    match receiver.recv_timeout(clock::time_limit(limit)) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) if watch.expire() => Err(HookError::TimedOut),
        Err(_) => receiver.recv().unwrap_or(Err(HookError::NoResult)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    /// Late work is not accepted, even if it ends after all. Work that is already moving refs is
    /// waited for.
    #[test]
    fn late() {
        let (sender, receiver) = mpsc::channel();
        let done = run_within(SHORT, move |watch| {
            std::thread::sleep(10 * SHORT);
            sender.send(watch.begin_writing().is_err()).unwrap();
            Ok(())
        });
        assert!(matches!(done, Err(HookError::TimedOut)));
        assert!(receiver.recv().unwrap());
        let done = run_within(10 * SHORT, |watch| {
            watch.begin_writing()?;
            std::thread::sleep(30 * SHORT);
            Ok(7)
        });
        assert_eq!(done.unwrap(), 7);
        let died: Result<(), HookError> = run_within(1_000 * SHORT, |_| panic!("as a bug would"));
        assert!(matches!(died, Err(HookError::NoResult)));
    }
}
