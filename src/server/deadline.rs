//! The time limit of a hook. It applies at any point of the work, such as reading a tree or waiting
//! for a disk.
//!
//! The work runs in its own thread. After the limit, the hook reports that it cannot tell and ends,
//! and the thread with it. But once the thread has begun to move refs, the hook waits for its end,
//! so that git learns the result.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::HookError;
use crate::clock::{self, Deadline};

// The states of `HookDeadline`. Work begins in `JUDGING`. Once it is `LATE`, it must not begin to
// write any more.
const JUDGING: u8 = 0;
const WRITING: u8 = 1;
const LATE: u8 = 2;

/// How long this hook waits after the limit, so that the work can stop a hook that it has called.
const END_GRACE: Duration = Duration::from_millis(100);

/// State shared by the work and its time limit.
#[derive(Debug, Clone)]
pub struct HookDeadline {
    state: Arc<AtomicU8>,
    deadline: Deadline,
}

impl Default for HookDeadline {
    /// Returns a deadline that never passes.
    fn default() -> Self {
        Self::after(Duration::MAX)
    }
}

impl HookDeadline {
    /// Returns the deadline after a span.
    fn after(span: Duration) -> Self {
        Self {
            state: Arc::default(),
            deadline: Deadline::after(span),
        }
    }

    /// Returns the time by which a program that the work calls must have ended.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Announces that refs are moved from now on.
    ///
    /// # Errors
    /// The time limit has passed, so the hook reports to git that it cannot tell.
    pub fn begin_writing(&self) -> Result<(), HookError> {
        let began =
            self.state
                .compare_exchange(JUDGING, WRITING, Ordering::SeqCst, Ordering::SeqCst);
        began.map(drop).map_err(|_| HookError::TimedOut)
    }

    /// Prevents the work from moving refs from now on. Returns `false`, and does nothing, if the
    /// work has begun to move refs.
    fn stop_before_writing(&self) -> bool {
        self.state
            .compare_exchange(JUDGING, LATE, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

/// Runs some work in a thread, and returns its result or [`HookError::TimedOut`].
pub fn run_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&HookDeadline) -> Result<T, HookError> + Send + 'static,
) -> Result<T, HookError> {
    let limit = clock::time_limit("hook", limit);
    let hook_deadline = HookDeadline::after(limit);
    let thread_deadline = hook_deadline.clone();
    let (sender, receiver) = mpsc::channel();
    // After the limit, nothing receives the result.
    let thread =
        std::thread::Builder::new().spawn(move || drop(sender.send(work(&thread_deadline))));
    thread.map_err(HookError::Thread)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) if hook_deadline.stop_before_writing() => {
            // The result comes too late.
            let _ = receiver.recv_timeout(END_GRACE);
            Err(HookError::TimedOut)
        }
        Err(_) => receiver.recv().unwrap_or(Err(HookError::NoResult)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work that is late must not move refs, even if it ends later.
    #[test]
    fn late_work_may_not_write() {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let result = run_within(Duration::from_millis(20), move |hook_deadline| {
            may_go_on.recv().unwrap();
            sender.send(hook_deadline.begin_writing().is_err()).unwrap();
            Ok(())
        });
        assert!(matches!(result, Err(HookError::TimedOut)));
        go_on.send(()).unwrap();
        assert!(receiver.recv().unwrap());
    }

    /// Work that already moves refs is waited for.
    #[test]
    fn writing_outlasts_the_limit() {
        let mut limit = Duration::from_millis(20);
        // On a busy machine the limit may pass before the work begins.
        let result = loop {
            let result = run_within(limit, move |hook_deadline| {
                hook_deadline.begin_writing()?;
                std::thread::sleep(2 * limit);
                Ok(7)
            });
            if !matches!(result, Err(HookError::TimedOut)) {
                break result;
            }
            limit *= 2;
        };
        assert_eq!(result.unwrap(), 7);
    }

    /// A panic is reported, not waited for.
    #[test]
    fn a_panic_is_an_error() {
        let result: Result<(), HookError> = run_within(Duration::MAX, |_| panic!("as a bug would"));
        assert!(matches!(result, Err(HookError::NoResult)));
    }
}
