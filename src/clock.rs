//! The only clock and the only source of random bytes.
//!
//! Nothing else in the crate reads the time. Tests set both through the environment, only in builds
//! with debug assertions, so that no variable can change the clock of an installed program.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::domain::time::Time;

/// Returns the present time, in UTC seconds.
///
/// In debug builds `GIT_DEPLOY_TEST_NOW` (a [`Time`]) overrides it.
pub fn now() -> Time {
    if let Some(time) = read_test_variable("GIT_DEPLOY_TEST_NOW").and_then(|text| text.parse().ok())
    {
        return time;
    }
    // A clock before 1970 or after 9999 is broken. With 1970, every rule that depends on the time
    // refuses.
    Time::from_seconds(chrono::Utc::now().timestamp()).unwrap_or(Time::EPOCH)
}

/// Returns the time limit of a task: `default`, unless a test overrides it.
///
/// In debug builds `GIT_DEPLOY_TEST_LIMIT` overrides it for the tasks that it lists, in
/// milliseconds, as in `hook=150 handoff=3000`. The tasks are `command`, `hook`, `handoff`, `kill`,
/// `lock` and `notify`.
pub fn time_limit(task: &str, default: Duration) -> Duration {
    let Some(list) = read_test_variable("GIT_DEPLOY_TEST_LIMIT") else {
        return default;
    };
    let mut limits = list.split(' ').filter_map(|limit| limit.split_once('='));
    let overridden = limits.find(|(name, _)| *name == task);
    overridden
        .and_then(|(_, millis)| millis.parse().ok())
        .map_or(default, Duration::from_millis)
}

/// The time at which a task must end, on a monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(
    /// `None` if it never passes.
    Option<Instant>,
);

impl Deadline {
    /// Returns the deadline after a span. If the span is too long for the clock, the deadline never
    /// passes.
    pub fn after(span: Duration) -> Self {
        Self(Instant::now().checked_add(span))
    }

    /// Returns whether it has passed.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Returns the time that is left, which is zero once it has passed.
    pub fn time_left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}

/// Measures how long something takes, on a monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The system's random source failed.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed: {0}")]
pub struct RandomError(#[from] getrandom::Error);

/// Returns fresh random bytes.
///
/// In debug builds `GIT_DEPLOY_TEST_SEED` (a number) makes them repeatable: all processes with the
/// same seed get the same sequence.
pub fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    if let Some(seed) =
        read_test_variable("GIT_DEPLOY_TEST_SEED").and_then(|text| text.parse::<u64>().ok())
    {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&next_test_random(seed)[..chunk.len()]);
        }
        return Ok(bytes);
    }
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Reads a test variable, in debug builds only.
fn read_test_variable(variable: &str) -> Option<String> {
    if cfg!(debug_assertions) {
        std::env::var(variable).ok()
    } else {
        None
    }
}

/// Returns the next output of splitmix64 <https://prng.di.unimi.it/splitmix64.c>. For tests only,
/// never for keys.
fn next_test_random(seed: u64) -> [u8; 8] {
    thread_local!(static STEPS: Cell<u64> = const { Cell::new(0) });
    let steps = STEPS.get().wrapping_add(1);
    STEPS.set(steps);
    let mut value = seed.wrapping_add(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)).to_le_bytes()
}
