//! minisign: keys, signing, and verification that is stricter than the stock tool's.
//!
//! Bytes in, bytes out: nothing here knows what an entry is. What is accepted here, `minisign -V` accepts too; the reverse does not
//! hold, because a signature must have exactly one spelling.

pub mod entry;
pub mod key;
pub mod process_hardening;
pub mod sign;
pub mod verify;

pub use entry::{EntryError, verify_entry};
pub use sign::{Environment, Signer};
pub use verify::{Signature, signer, verify};

#[cfg(test)]
mod tests;
