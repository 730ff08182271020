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
    match receiver.recv_timeout(clock::time_limit("hook", limit)) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) if watch.expire() => Err(HookError::TimedOut),
        Err(_) => receiver.recv().unwrap_or(Err(HookError::NoResult)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes too late is not let in, even if it ends after all.
    #[test]
    fn late_work_may_not_write() {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let done = run_within(Duration::from_millis(20), move |watch| {
            may_go_on.recv().unwrap();
            sender.send(watch.begin_writing().is_err()).unwrap();
            Ok(())
        });
        assert!(matches!(done, Err(HookError::TimedOut)));
        go_on.send(()).unwrap();
        assert!(receiver.recv().unwrap());
    }

    /// Work that already moves refs is waited for.
    #[test]
    fn writing_outlasts_the_limit() {
        let mut limit = Duration::from_millis(20);
        // On a busy machine the limit may pass before the work begins.
        let done = loop {
            let done = run_within(limit, move |watch| {
                watch.begin_writing()?;
                std::thread::sleep(2 * limit);
                Ok(7)
            });
            if !matches!(done, Err(HookError::TimedOut)) {
                break done;
            }
            limit *= 2;
        };
        assert_eq!(done.unwrap(), 7);
    }

    /// A panic is reported, not waited for.
    #[test]
    fn a_panic_is_an_error() {
        let died: Result<(), HookError> = run_within(Duration::MAX, |_| panic!("as a bug would"));
        assert!(matches!(died, Err(HookError::NoResult)));
    }
}
