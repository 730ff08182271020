//! The updates of a push, as git passes them to a hook: one line `<old id> <new id> <ref>` per ref.
//!
//! Names of refs are bytes. The old id is the pusher's claim, so no decision depends on it alone.

use crate::domain::id::Oid;

/// The longest line. Git sends none that is longer than a packet.
const LINE_LIMIT: usize = 65_536;

/// The update of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The object that the ref points to, as the pusher claims; `None` if the ref does not exist.
    pub old: Option<Oid>,
    /// The object that the ref should point to; `None` to delete the ref.
    pub new: Option<Oid>,
    /// The ref's full name.
    pub name: Box<[u8]>,
}

/// Why a line could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of git's input about the push does not consist of two ids and a ref")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
}

impl RefUpdate {
    /// Reads one line, without a newline at its end.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (old, new, name) = (
            parse_oid(parts.next()?)?,
            parse_oid(parts.next()?)?,
            parts.next()?,
        );
        let is_valid = !name.is_empty()
            && line.len() <= LINE_LIMIT
            && !name.iter().any(|byte| b"\0\n".contains(byte));
        let same_hash = old.as_bytes().len() == new.as_bytes().len();
        let non_zero = |id: Oid| (!id.is_zero()).then_some(id);
        (is_valid && same_hash).then(|| Self {
            old: non_zero(old),
            new: non_zero(new),
            name: name.into(),
        })
    }

    /// Reads all lines, each with its newline.
    pub fn parse_all(lines: &[u8]) -> Result<Vec<Self>, LineError> {
        let lines = lines.split_inclusive(|byte| *byte == b'\n').enumerate();
        let updates = lines.map(|(index, line)| {
            let update = line.strip_suffix(b"\n").and_then(Self::parse);
            update.ok_or(LineError { line: index + 1 })
        });
        updates.collect()
    }
}

fn parse_oid(hex: &[u8]) -> Option<Oid> {
    std::str::from_utf8(hex).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    /// A zero id means that there is no object, and a name may be any bytes.
    #[test]
    fn reads_lines() {
        let lines = format!("{ZERO} {ONE} refs/heads/a b\n{ONE} {ZERO} refs/\u{fc}\n");
        let updates = RefUpdate::parse_all(lines.as_bytes()).unwrap();
        assert_eq!(updates.len(), 2);
        assert_eq!(
            (updates[0].old, updates[0].new),
            (None, Some(ONE.parse().unwrap()))
        );
        assert_eq!(&*updates[0].name, b"refs/heads/a b");
        assert_eq!(
            (updates[1].old, updates[1].new),
            (Some(ONE.parse().unwrap()), None)
        );
        assert_eq!(RefUpdate::parse_all(b""), Ok(Vec::new()));
    }

    /// Any other line is refused: read differently than by git, it could let an update through
    /// unjudged.
    #[test]
    fn refuses_invalid_lines() {
        let long = format!("{ONE} {ONE} refs/heads/{}\n", "x".repeat(LINE_LIMIT));
        let mixed_hashes = format!("{ONE} {} refs/heads/x\n", "1".repeat(64));
        let (upper, short) = (
            format!("{} {ONE} x\n", "A".repeat(40)),
            format!("{ONE} 11 x\n"),
        );
        let (without_name, without_newline, with_nul) = (
            format!("{ONE} {ONE}\n"),
            format!("{ONE} {ONE} x"),
            format!("{ONE} {ONE} a\0b\n"),
        );
        let with_empty_name = format!("{ONE} {ONE} \n");
        for bad in [
            &long,
            &mixed_hashes,
            &upper,
            &short,
            &without_name,
            &without_newline,
            &with_nul,
            &with_empty_name,
            "\n",
            "\n\n",
        ] {
            assert_eq!(
                RefUpdate::parse_all(bad.as_bytes()),
                Err(LineError { line: 1 }),
                "{bad:?}"
            );
        }
    }
}
