//! Reads signatures and verifies them.
//!
//! A signature file has only one valid encoding: anything that does not re-encode to exactly the
//! same bytes is refused before any cryptography. The 32 bytes of a key identify it. The key id of
//! the signature must be that of the key, as minisign requires.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::id::{PublicKey, is_small_order};
use crate::domain::text::{Line, TextError};

/// The comment in the first line. It is not signed, so only one value is accepted. Otherwise anyone
/// could store the same signature in files with different bytes, and so under different object ids.
pub const UNTRUSTED_COMMENT: &str = "signature from git-deploy";

/// The beginning of the first line.
const UNTRUSTED: &str = "untrusted comment: ";
/// The beginning of the third line.
const TRUSTED: &str = "trusted comment: ";

/// Why bytes are not an accepted signature file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There are too many bytes.
    #[error("the signature has {0} bytes, at most {limit} are allowed", limit = Signature::LIMIT)]
    TooLong(usize),
    /// The file is not text of four lines, each ended by one newline.
    #[error("the signature is not four lines of text, each ended by one newline")]
    Lines,
    /// The first line is different.
    #[error("the signature's first line is not \"{UNTRUSTED}{UNTRUSTED_COMMENT}\"")]
    Untrusted,
    /// A line is not canonical base64 of the right number of bytes.
    #[error("line {0} of the signature is not canonical base64 of the right length")]
    Base64(u8),
    /// The signature has the old form, which signs the message without hashing it first.
    #[error(
        "the signature has minisign's legacy form; sign with minisign 0.10 or later, without -l"
    )]
    Legacy,
    /// The signature has neither form.
    #[error("the signature uses an unknown algorithm")]
    Algorithm,
    /// The third line has no trusted comment.
    #[error("the signature's third line does not begin with \"{TRUSTED}\"")]
    Trusted,
    /// The trusted comment is not one line of plain text.
    #[error("the signature's trusted comment is refused: {0}")]
    Comment(#[from] TextError),
    /// The signature contains a point of small order, which an honest signer never makes.
    #[error("the signature holds a point of small order, which minisign refuses")]
    SmallOrder,
    /// The signature is well formed, but not in the canonical encoding.
    #[error("the signature is not in its canonical encoding")]
    NotCanonical,
}

/// Why a signature does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature file is not accepted.
    #[error(transparent)]
    Malformed(#[from] SignatureError),
    /// The signature was made for another trusted comment.
    #[error("the signature is for {found:?}, not {expected:?}")]
    Comment {
        /// The expected trusted comment.
        expected: String,
        /// The trusted comment in the signature.
        found: String,
    },
    /// The signature's key id is not that of the key.
    #[error("the signature was made with a different key from {0}: the key ids differ")]
    KeyId(PublicKey),
    /// The key is weak: anyone could sign for it.
    #[error(
        "the key {0} is of small order, so anyone could sign for it: its owner needs a new key"
    )]
    WeakKey(PublicKey),
    /// The cryptographic check failed.
    #[error("the signature does not belong to these bytes and the key {0}")]
    Invalid(PublicKey),
}

/// A well-formed signature file, which is not verified yet.
///
/// It has no comparison on purpose. Different signatures can be valid for the same bytes, so a
/// comparison would prove nothing.
#[derive(Debug, Clone)]
pub struct Signature {
    text: Box<str>,
    key_id: [u8; 8],
    trusted_comment: Line,
}

impl Signature {
    /// The most bytes in a signature file: room for the longest trusted comment.
    pub const LIMIT: usize = 8 * 1024;

    /// Parses a signature file strictly.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() > Self::LIMIT {
            return Err(SignatureError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| SignatureError::Lines)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [untrusted, signature, trusted, global, ""] = lines[..] else {
            return Err(SignatureError::Lines);
        };
        if untrusted.strip_prefix(UNTRUSTED) != Some(UNTRUSTED_COMMENT) {
            return Err(SignatureError::Untrusted);
        }
        let signature: [u8; 74] = decode_base64(signature).ok_or(SignatureError::Base64(2))?;
        let (algorithm, key_id, point) = split_signature(&signature);
        match &algorithm {
            b"ED" => (),
            b"Ed" => return Err(SignatureError::Legacy),
            _ => return Err(SignatureError::Algorithm),
        }
        let trusted_comment: Line = trusted
            .strip_prefix(TRUSTED)
            .ok_or(SignatureError::Trusted)?
            .parse()?;
        let global: [u8; 64] = decode_base64(global).ok_or(SignatureError::Base64(4))?;
        let (global_point, _) = global.split_at(32);
        if is_small_order(&point) || is_small_order(global_point) {
            return Err(SignatureError::SmallOrder);
        }
        // After the checks above, only one encoding should be possible. This check makes sure, even
        // if one of them is incomplete.
        let reencoded = format!(
            "{UNTRUSTED}{UNTRUSTED_COMMENT}\n{}\n{TRUSTED}{trusted_comment}\n{}\n",
            STANDARD.encode(signature),
            STANDARD.encode(global)
        );
        if reencoded != text {
            return Err(SignatureError::NotCanonical);
        }
        Ok(Self {
            text: text.into(),
            key_id,
            trusted_comment,
        })
    }

    /// Returns the key id that the signer claims. It is only a hint, because anyone can copy it.
    #[cfg(any(test, feature = "testing"))]
    pub fn key_id(&self) -> [u8; 8] {
        self.key_id
    }

    /// Returns the trusted comment. Trust it only after [`verify`](Self::verify) succeeded.
    pub fn trusted_comment(&self) -> &str {
        self.trusted_comment.as_str()
    }

    /// Returns the bytes of the file, exactly as they were parsed.
    #[cfg(any(test, feature = "testing"))]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Checks that `key` signed `message` and the trusted comment. The key ids must be equal too,
    /// as `minisign -V` requires.
    ///
    /// The caller compares [`trusted_comment`](Self::trusted_comment) with the expected one.
    pub fn verify(&self, key: &PublicKey, message: &[u8]) -> Result<(), VerifyError> {
        if self.key_id != key.key_id() {
            return Err(VerifyError::KeyId(*key));
        }
        if is_small_order(key.as_bytes()) {
            return Err(VerifyError::WeakKey(*key));
        }
        let invalid = |_| VerifyError::Invalid(*key);
        let signature = minisign_verify::Signature::decode(&self.text).map_err(invalid)?;
        let public = minisign_verify::PublicKey::from_base64(&key.to_string()).map_err(invalid)?;
        public.verify(message, &signature, false).map_err(invalid)
    }
}

/// Checks that `signature_file` is well formed, and that `key` signed `message` with exactly this
/// trusted comment.
pub fn verify(
    key: &PublicKey,
    message: &[u8],
    signature_file: &[u8],
    trusted_comment: &str,
) -> Result<(), VerifyError> {
    let signature = Signature::parse(signature_file)?;
    signature.verify(key, message)?;
    if signature.trusted_comment() != trusted_comment {
        return Err(VerifyError::Comment {
            expected: trusted_comment.to_owned(),
            found: signature.trusted_comment().to_owned(),
        });
    }
    Ok(())
}

/// Decodes base64 of exactly `N` bytes.
fn decode_base64<const N: usize>(base64: &str) -> Option<[u8; N]> {
    STANDARD.decode(base64).ok()?.try_into().ok()
}

/// Returns the algorithm, the key id, and the point at the beginning of the signature proper.
fn split_signature(signature: &[u8; 74]) -> ([u8; 2], [u8; 8], [u8; 32]) {
    let (mut algorithm, mut key_id, mut point) = ([0; 2], [0; 8], [0; 32]);
    algorithm.copy_from_slice(&signature[..2]);
    key_id.copy_from_slice(&signature[2..10]);
    point.copy_from_slice(&signature[10..42]);
    (algorithm, key_id, point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SMALL_ORDER;

    /// Anyone can forge a signature for a key of small order. The library accepts several of these
    /// keys, but every one must be refused here.
    #[test]
    fn keys_that_anyone_can_sign_for_are_refused() {
        // R = 1·B and s = 1 satisfy s·B = R + h·A whenever h·A is zero, which soon happens by
        // chance for a small A.
        let forged: Vec<u8> = [&[0x58][..], &[0x66; 31], &[1], &[0; 31]].concat();
        let mut library_fooled = 0;
        for point in SMALL_ORDER {
            let key = PublicKey::new([7; 8], point);
            let head = [b"ED".as_slice(), &[7; 8], &forged].concat();
            let library = minisign_verify::PublicKey::from_base64(&key.to_string()).unwrap();
            for number in 0..600 {
                let message = number.to_string();
                let text = format!(
                    "{UNTRUSTED}{UNTRUSTED_COMMENT}\n{}\n{TRUSTED}{number}\n{}\n",
                    STANDARD.encode(&head),
                    STANDARD.encode(&forged)
                );
                let signature = Signature::parse(text.as_bytes()).unwrap();
                assert_eq!(
                    signature.verify(&key, message.as_bytes()),
                    Err(VerifyError::WeakKey(key))
                );
                let decoded = minisign_verify::Signature::decode(&text).unwrap();
                if library.verify(message.as_bytes(), &decoded, false).is_ok() {
                    library_fooled += 1;
                    break;
                }
            }
        }
        // The library itself refuses the identity, in both encodings. It accepts the other five.
        assert!(library_fooled >= 5, "{library_fooled}");
    }

    /// A signature that the stock tool refuses is refused here too: stock tools must be able to
    /// verify every accepted signature.
    #[test]
    fn small_points_in_signatures_are_refused() {
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut small = [point, [0; 32]].concat();
                small[31] |= sign;
                let valid = [[0x58; 32], [0; 32]].concat();
                for (first, second) in [(&small, &valid), (&valid, &small)] {
                    let text = format!(
                        "{UNTRUSTED}{UNTRUSTED_COMMENT}\n{}\n{TRUSTED}x\n{}\n",
                        STANDARD.encode([b"ED".as_slice(), &[0; 8], first].concat()),
                        STANDARD.encode(second)
                    );
                    assert_eq!(
                        Signature::parse(text.as_bytes()).err(),
                        Some(SignatureError::SmallOrder)
                    );
                }
            }
        }
    }
}
