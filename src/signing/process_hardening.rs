//! Keeps other processes of the same user from reading this one, which may hold a key.
//!
//! Otherwise they could read its memory, its initial environment and its open files under `/proc`.
//! Root still can, and so can anyone who can read the key file. Only a key that belongs to another
//! user (`deploy.signer`) is safe from that.

/// Denies other processes access to this one. May be called repeatedly. Does nothing on systems
/// without such a setting.
pub fn harden() {
    #[cfg(target_os = "linux")]
    // The call cannot fail for one's own process.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
