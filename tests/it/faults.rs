//! `kill -9` wherever the program writes, a disk that is full from there on, a connection that breaks, a clock that jumps: nothing is
//! lost, nothing is there twice, and the next command works or says what to do.
//!
//! strace strikes at the first call of each kind that writes, then at its second, and so on, each time in the same world as before. The suite
//! strikes at some of the places; `FAULTS=all` at every one.

mod clock;
mod commands;
mod connection;
mod entries;
mod hooks;
mod lost;
mod proxy;
mod scene;
mod setup;

use scene::{Ends, Fault, Scene, Strike, Victim, WRITES};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n";

/// For those who look at the places: how many there were.
fn told(what: &str, ends: &Ends) {
    assert!(ends.killed > 0, "{what}: nobody was struck");
    println!("{what}: {ends:?}");
}
