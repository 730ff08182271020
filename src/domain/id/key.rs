//! Public keys, which identify people.
//!
//! A key consists of 32 bytes of Ed25519 and a key id, which identifies no one. Parsing refuses a
//! key that anyone could sign for.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::IdError;

/// The 32 bytes of an Ed25519 public key, which identify a person.
///
/// minisign stores a key id next to the key: eight random bytes that anyone can copy. It is kept so
/// that the key prints as it was given, and comparisons ignore it.
#[derive(Clone, Copy)]
pub struct PublicKey {
    id: [u8; 8],
    key: [u8; 32],
}

impl PublicKey {
    /// The key of a statement that is only judged and never signed. It is a point of small order,
    /// so no reader accepts an entry that names it.
    pub const UNSIGNED: Self = Self {
        id: [0; 8],
        key: [0; 32],
    };

    /// Creates a public key from a key id and a key, without any check. Parsing checks the key.
    #[cfg(any(test, feature = "testing"))]
    pub const fn new(id: [u8; 8], key: [u8; 32]) -> Self {
        Self { id, key }
    }

    /// Returns the key id, as minisign stores it.
    pub fn key_id(&self) -> [u8; 8] {
        self.id
    }

    /// Returns the 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl FromStr for PublicKey {
    type Err = IdError;
    /// Parses the second line of a minisign `.pub` file: base64 of `Ed`, key id and key. Fails if
    /// the base64 is not canonical, or if the key is a point of small order.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::Key(text.chars().take(80).collect());
        let raw: [u8; 42] = STANDARD
            .decode(text)
            .ok()
            .and_then(|raw| raw.try_into().ok())
            .ok_or_else(error)?;
        let (head, key) = raw.split_at(10);
        match (&head[..2], head[2..].try_into(), key.try_into()) {
            (b"Ed", Ok(_), Ok(_)) if is_small_order(key) => Err(IdError::WeakKey(text.to_owned())),
            (b"Ed", Ok(id), Ok(key)) if STANDARD.encode(raw) == text => Ok(Self { id, key }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = Vec::with_capacity(42);
        raw.extend_from_slice(b"Ed");
        raw.extend_from_slice(&self.id);
        raw.extend_from_slice(&self.key);
        f.write_str(&STANDARD.encode(raw))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns 32 bytes: first, the same middle byte 30 times, last.
const fn point_bytes(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// All encodings of the curve's eight points of small order, without the sign bit. libsodium
/// refuses the same list.
pub(crate) const SMALL_ORDER: [[u8; 32]; 7] = [
    point_bytes(0x00, 0x00, 0x00),
    point_bytes(0x01, 0x00, 0x00),
    point_bytes(0xec, 0xff, 0x7f),
    point_bytes(0xed, 0xff, 0x7f),
    point_bytes(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Returns whether 32 bytes encode a point of small order. With such a point as a key anyone can
/// sign, and `minisign-verify` refuses only some of them.
pub fn is_small_order(point: &[u8]) -> bool {
    SMALL_ORDER.iter().any(|small| {
        point.len() == 32 && point[..31] == small[..31] && point[31] & 0x7f == small[31]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that one key with two key ids is still one key: a person cannot become two by
    /// copying it.
    #[test]
    fn key_id_does_not_make_a_person() {
        let (one, two) = (
            PublicKey::new([1; 8], [7; 32]),
            PublicKey::new([2; 8], [7; 32]),
        );
        assert_eq!(one, two);
        assert_ne!(one.to_string(), two.to_string());
        assert_eq!(
            one.to_string().parse::<PublicKey>().unwrap().key_id(),
            [1; 8]
        );
        assert!(one.to_string().starts_with("RW"));
    }

    /// Checks that such keys are refused: in a policy or a project, they would let anyone sign as
    /// the owner.
    #[test]
    fn keys_that_anyone_can_sign_for_are_not_read() {
        for mut point in SMALL_ORDER {
            for sign in [0, 0x80] {
                point[31] |= sign;
                let text = PublicKey::new([7; 8], point).to_string();
                assert_eq!(text.parse::<PublicKey>(), Err(IdError::WeakKey(text)));
            }
        }
    }
}
