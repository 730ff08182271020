//! `kill -9` at every write, a full disk, a broken connection and a jumping clock: nothing is lost
//! or written twice, and the next command works or says what to do.
//!
//! strace injects the fault at the first system call of each kind that writes, then at its second,
//! and so on, each time in the same restored world. The quick tier tries some of the places;
//! `FAULTS=all` tries every one.

mod clock;
mod connection;
mod entry_commands;
mod hooks;
mod injection;
mod lost_objects;
mod projections;
mod proxy;
mod setup;
mod single_commands;

use injection::{Fault, FaultInjection, Injected, SweepCounts, Target, WRITES};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n";

/// Prints how many places there were, and checks that there were any.
fn told(what: &str, ends: &SweepCounts) {
    assert!(ends.killed > 0, "{what}: nobody was struck");
    println!("{what}: {ends:?}");
}
