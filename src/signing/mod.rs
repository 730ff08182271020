//! minisign keys, signing, and verification that is stricter than that of the stock tool.
//!
//! Nothing here except [`entry`] interprets what is signed. `minisign -V` accepts every signature
//! that this module accepts. The reverse does not hold, because this module accepts only one
//! encoding of a signature.

pub mod entry;
pub mod exposed_key;
pub mod key;
pub mod process_hardening;
pub mod sign;
pub mod verify;

pub use entry::{EntrySignatureError, verify_entry};
pub use sign::{SECRET_VARIABLES, Signer, SigningEnv};

#[cfg(any(test, feature = "testing"))]
pub use verify::{Signature, verify};

#[cfg(test)]
mod tests;
