//! `kill -9` wherever the program writes, a disk that is full from there on, a connection that breaks, a clock that jumps: nothing is
//! lost, nothing is there twice, and the next command works or says what to do.
//!
//! strace strikes at the first call of each kind that writes, then at its second, and so on, each time in the same world as before. The suite
//! strikes at some of the places; `FAULTS=all` at every one.

mod clock;
mod connection;
mod entry_commands;
mod hooks;
mod injection;
mod lost_objects;
mod proxy;
mod setup;
mod single_commands;

use injection::{Ends, Fault, Scene, Strike, Victim, WRITES};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n";

/// Prints how many places there were, and checks that there were any.
fn told(what: &str, ends: &Ends) {
    assert!(ends.killed > 0, "{what}: nobody was struck");
    println!("{what}: {ends:?}");
}
