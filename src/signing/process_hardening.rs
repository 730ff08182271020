//! Keeps other processes of the same user from reading this one, which may hold a key.
//!
//! Otherwise they could read its memory, its initial environment and its open files under `/proc`.
//! Root still can, and so can anyone who can read the key file. Only a key that belongs to another
//! user (`deploy.signer`) is safe from that.

use rustix::process::{Resource, Rlimit, setrlimit};

/// The largest size of a core dump, in bytes. On Linux, 0 forbids only files: a program that
/// `core_pattern` names, such as systemd-coredump, gets the memory nevertheless, unless the limit is 1.
const MAX_CORE_DUMP: u64 = if cfg!(target_os = "linux") { 1 } else { 0 };

/// Denies other processes access to this one, and keeps this process and those that it starts from
/// core dumps, which would contain the key or a secret. May be called repeatedly. Does nothing on
/// systems without such a setting.
pub fn harden() {
    // A lower limit than before is always allowed. If the hard limit was lower, it is 0 already.
    let limit = Rlimit {
        current: Some(MAX_CORE_DUMP),
        maximum: Some(MAX_CORE_DUMP),
    };
    let _ = setrlimit(Resource::Core, limit);
    #[cfg(target_os = "linux")]
    // The call cannot fail for one's own process.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
