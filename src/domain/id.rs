//! Identifiers: git objects, digests of artifacts, runs and public keys.
//!
//! Each is parsed once, from lower-case hexadecimal (keys: from minisign's base64), and has exactly
//! one spelling.

mod error;
mod hex;
mod key;

use std::fmt;
use std::str::FromStr;

pub use error::IdError;
use error::hex_error;
use hex::{hex_digit, read_hex, write_hex};
#[cfg(test)]
pub(crate) use key::SMALL_ORDER;
pub use key::{PublicKey, is_small_order};
use serde::{Deserialize, Serialize};

use super::serde_str::impl_serde_str;

/// The id of a git object: SHA-1 (20 bytes) or SHA-256 (32 bytes). Its order is the order of the
/// hexadecimal form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid {
    bytes: [u8; 32],
    len: u8,
}

impl Oid {
    /// Creates an id from raw bytes. Returns `None` unless there are 20 (SHA-1) or 32 (SHA-256).
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Self {
            bytes,
            len: if raw.len() == 20 { 20 } else { 32 },
        })
    }

    /// Returns the raw bytes, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Returns whether this is the zero id, which git uses for "no object".
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0)
    }

    /// Returns the first `digits` hexadecimal digits.
    pub fn prefix(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }
}

impl FromStr for Oid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let sha1 = || read_hex::<20>(text).and_then(|raw| Self::from_bytes(&raw));
        let sha256 = || read_hex::<32>(text).and_then(|raw| Self::from_bytes(&raw));
        sha1()
            .or_else(sha256)
            .ok_or_else(|| hex_error(text, "a full object id in lower-case hexadecimal"))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.as_bytes())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl_serde_str!(Oid, Digest, RunId, PublicKey);

macro_rules! oid {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Oid);

        impl $type {
            /// Returns the first twelve digits, which are enough for people.
            pub fn short(&self) -> String {
                self.0.prefix(12)
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

oid!(
    /// A commit of the code.
    CommitId
);
oid!(
    /// A commit of a ledger: its genesis, or one that carries an entry.
    EntryId
);
oid!(
    /// The object that a tag's ref names: a tag object, or the commit itself.
    TagObject
);
oid!(
    /// The content of a component at a commit: the id of a tree with only the component's paths.
    Content
);

/// The algorithm of a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Returns the in-toto name: `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the number of hexadecimal digits of a digest.
    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| hex_error(text, "one of sha256, sha384, sha512"))
    }
}

/// The digest of an artifact, a plan or a file, written `sha256:9f86d0…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// Creates a digest from an algorithm and a lower-case hexadecimal value. Fails if the value is
    /// not of the algorithm's length.
    pub fn new(algorithm: Algorithm, hex: &str) -> Result<Self, IdError> {
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(|byte| hex_digit(byte).is_some()) {
            return Err(hex_error(
                hex,
                "a digest in lower-case hexadecimal of its algorithm's length",
            ));
        }
        Ok(Self {
            algorithm,
            hex: hex.into(),
        })
    }

    /// Computes the SHA-256 digest of these bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let hex = sha2::Sha256::digest(bytes)
            .iter()
            .fold(String::new(), |mut text, byte| {
                use fmt::Write as _;
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
        Self {
            algorithm: Algorithm::Sha256,
            hex: hex.into(),
        }
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the value in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns a short form for people: `sha256:9f86d081884c`.
    pub fn short(&self) -> String {
        format!("{}:{}", self.algorithm.name(), &self.hex[..12])
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| hex_error(text, "a digest such as sha256:9f86d0…"))?;
        Self::new(algorithm.parse()?, hex)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// The id of one run of a deployment: 128 random bits, so that no two runners ever use the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 16]);

impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        read_hex(text)
            .map(Self)
            .ok_or_else(|| hex_error(text, "a run id of 32 lower-case hexadecimal digits"))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that an identifier has exactly one spelling: otherwise one commit or key could be
    /// counted as two.
    #[test]
    fn one_spelling() {
        let hex = "2affccc97fa05736482d4523166f70cb561afa11";
        assert_eq!(hex.parse::<Oid>().unwrap().to_string(), hex);
        for bad in [
            "",
            "2aff",
            &hex.to_uppercase(),
            &hex[1..],
            &format!("{hex}0"),
        ] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
        assert!(
            format!("sha256:{}", "a".repeat(64))
                .parse::<Digest>()
                .is_ok()
        );
        for bad in [
            "sha256:aa",
            "md5:aa",
            &format!("SHA256:{}", "a".repeat(64)),
            &format!("sha512:{}", "a".repeat(64)),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
