//! Keeps other processes of the same user out of this one, which holds a key or may hold one.
//!
//! What they could read otherwise is its memory, its first environment and its open files, under `/proc`. Root may all the same, and so
//! may whoever has the key's file: only a key that belongs to another user (`deploy.signer`) is out of everybody's reach.

/// Shuts this process to others, as often as it is called. Where the system has no such thing, nobody else can look in either.
pub fn shut() {
    #[cfg(target_os = "linux")]
    // It fails for no process that asks it of itself.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
