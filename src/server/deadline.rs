//! The bound on a hook's time, which holds in the middle of an entry as well: whatever takes long, reading a tree or waiting for a disk.
//!
//! The work is done in a thread of its own. Past the bound the hook says that it cannot tell and ends, the thread with it; but once it
//! has begun to move refs it is brought to its end, so that git hears what became of them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::Fault;
use crate::clock;

const JUDGING: u8 = 0;
const WRITING: u8 = 1;
const LATE: u8 = 2;

/// What the work and its bound tell each other.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<AtomicU8>);

impl Watch {
    /// Says that refs are moved from now on.
    ///
    /// # Errors
    /// It is too late for that: git was told so.
    pub fn write(&self) -> Result<(), Fault> {
        let began = self
            .0
            .compare_exchange(JUDGING, WRITING, Ordering::SeqCst, Ordering::SeqCst);
        began.map(drop).map_err(|_| Fault::Late)
    }

    /// Whether the time is over, unless refs are being moved.
    fn is_late(&self) -> bool {
        self.0
            .compare_exchange(JUDGING, LATE, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

/// Does some work that may take so long.
pub fn bounded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce(&Watch) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let watch = Watch::default();
    let own = watch.clone();
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more where the bound has passed.
    let thread = std::thread::Builder::new().spawn(move || drop(sender.send(work(&own))));
    thread.map_err(Fault::Thread)?;
    match receiver.recv_timeout(clock::limit("hook", limit)) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) if watch.is_late() => Err(Fault::Late),
        Err(_) => receiver.recv().unwrap_or(Err(Fault::Died)),
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
        let done = bounded(Duration::from_millis(20), move |watch| {
            may_go_on.recv().unwrap();
            sender.send(watch.write().is_err()).unwrap();
            Ok(())
        });
        assert!(matches!(done, Err(Fault::Late)));
        go_on.send(()).unwrap();
        assert!(receiver.recv().unwrap());
    }

    /// Work that already moves refs is waited for.
    #[test]
    fn writing_outlasts_the_limit() {
        let mut limit = Duration::from_millis(20);
        // On a busy machine the limit may pass before the work begins.
        let done = loop {
            let done = bounded(limit, move |watch| {
                watch.write()?;
                std::thread::sleep(2 * limit);
                Ok(7)
            });
            if !matches!(done, Err(Fault::Late)) {
                break done;
            }
            limit *= 2;
        };
        assert_eq!(done.unwrap(), 7);
    }

    /// A panic is reported, not waited for.
    #[test]
    fn a_panic_is_an_error() {
        let died: Result<(), Fault> = bounded(Duration::MAX, |_| panic!("as a bug would"));
        assert!(matches!(died, Err(Fault::Died)));
    }
}
