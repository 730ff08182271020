//! The updates of a push, as git passes them to a hook: one line `<old id> <new id> <ref>` per ref.
//!
//! Names of refs are bytes. The old id is the pusher's claim, so no decision depends on it alone.

use crate::domain::id::Oid;

/// The longest line. Git sends none that is longer than a packet.
const LINE_LIMIT: usize = 65_536;

/// The update of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Where the ref is, as the pusher claims. `None`: it does not exist.
    pub old: Option<Oid>,
    /// Where it should go. `None`: it should be deleted.
    pub new: Option<Oid>,
    /// The ref's full name.
    pub name: Box<[u8]>,
}

/// Why a line could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of what git says about the push is not two ids and a ref")]
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
        let fits = !name.is_empty()
            && line.len() <= LINE_LIMIT
            && !name.iter().any(|byte| b"\0\n".contains(byte));
        let same_hash = old.as_bytes().len() == new.as_bytes().len();
        let some = |id: Oid| (!id.is_zero()).then_some(id);
        (fits && same_hash).then(|| Self {
            old: some(old),
            new: some(new),
            name: name.into(),
        })
    }

    /// Reads all lines, each with its newline.
    pub fn parse_all(lines: &[u8]) -> Result<Vec<Self>, LineError> {
        let all = lines.split_inclusive(|byte| *byte == b'\n').enumerate();
        all.map(|(index, line)| {
            let update = line.strip_suffix(b"\n").and_then(Self::parse);
            update.ok_or(LineError { line: index + 1 })
        })
        .collect()
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

    /// The zero id means that there is none, and a name may be any bytes.
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

    /// A line that is read differently than git reads it could let an update through unjudged.
    #[test]
    fn refuses_the_rest() {
        let long = format!("{ONE} {ONE} refs/heads/{}\n", "x".repeat(LINE_LIMIT));
        let wide = format!("{ONE} {} refs/heads/x\n", "1".repeat(64));
        let (upper, short) = (
            format!("{} {ONE} x\n", "A".repeat(40)),
            format!("{ONE} 11 x\n"),
        );
        let (bare, open, nul) = (
            format!("{ONE} {ONE}\n"),
            format!("{ONE} {ONE} x"),
            format!("{ONE} {ONE} a\0b\n"),
        );
        let nameless = format!("{ONE} {ONE} \n");
        for bad in [
            &long, &wide, &upper, &short, &bare, &open, &nul, &nameless, "\n", "\n\n",
        ] {
            assert_eq!(
                RefUpdate::parse_all(bad.as_bytes()),
                Err(LineError { line: 1 }),
                "{bad:?}"
            );
        }
    }
}
