//! Sorts refs by name alone: no object is opened for refs that do not concern us.

use crate::domain::name::LedgerName;

/// The kind of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefKind {
    /// The ref of a ledger, by its name.
    Ledger(LedgerName),
    /// A ref that must never be pushed, and why.
    Forbidden(&'static str),
    /// A branch, by its short name. The policy decides whether it is bound to an environment. See
    /// [`is_exact`].
    Branch(String),
    /// A tag, by its short name. The policy decides as for a branch.
    Tag(String),
    /// Any other ref, which is not judged.
    Other,
}

const BRANCHES: &str = "refs/heads";
const TAGS: &str = "refs/tags";

impl RefKind {
    /// Returns the ledger's name, or `None` for any other kind.
    pub fn ledger(&self) -> Option<&LedgerName> {
        match self {
            Self::Ledger(ledger) => Some(ledger),
            _ => None,
        }
    }
}

/// Refs that are refused, together with everything below them.
const FORBIDDEN_REFS: [(&str, &str); 6] = [
    (
        "refs/notes/deploy",
        "only the server writes the notes, which it derives from the ledgers",
    ),
    (
        "refs/replace",
        "a replacement object would change the history that others see",
    ),
    (
        "refs/deploy-incoming",
        "only clones have this ref, for ledgers that they have fetched",
    ),
    (
        "refs/deploy-incoming-notes",
        "only clones have this ref, for notes that they have fetched",
    ),
    (
        "refs/heads/deploy",
        "a branch of this name could be mistaken for a ledger: choose another name",
    ),
    (
        "refs/tags/deploy",
        "a tag of this name could be mistaken for a ledger: choose another name",
    ),
];

/// Returns the kind of a ref, by its full name.
pub fn classify(name: &[u8]) -> RefKind {
    if let Some(short) = strip_folder(name, "refs/deploy") {
        // Disks that ignore case store other spellings of our refs as the same file, so those are
        // forbidden.
        let short = name
            .starts_with(b"refs/deploy/")
            .then_some(short)
            .and_then(|short| std::str::from_utf8(short).ok());
        let ledger = short.and_then(|short| short.parse().ok());
        return ledger.map_or(
            RefKind::Forbidden("a ledger cannot have this name"),
            RefKind::Ledger,
        );
    }
    if let Some((_, why)) = FORBIDDEN_REFS
        .iter()
        .find(|(folder, _)| strip_folder(name, folder).is_some())
    {
        return RefKind::Forbidden(why);
    }
    // The policy binds only names that are text.
    let Ok(text) = std::str::from_utf8(name) else {
        return RefKind::Other;
    };
    let short = |folder: &str| {
        strip_folder(name, folder)
            .and_then(|_| text.get(folder.len() + 1..))
            .map(str::to_owned)
    };
    if let Some(branch) = short(BRANCHES) {
        RefKind::Branch(branch)
    } else if let Some(tag) = short(TAGS) {
        RefKind::Tag(tag)
    } else {
        RefKind::Other
    }
}

/// Returns whether the folder of a branch or tag has git's spelling. `refs/Heads/main` is the
/// branch `main` only on disks that ignore case.
pub fn is_exact(name: &[u8]) -> bool {
    [BRANCHES, TAGS]
        .iter()
        .any(|folder| name.starts_with(folder.as_bytes()))
}

/// Returns the part of a name after the folder and its slash, ignoring ASCII case. It is empty for
/// the folder itself, and `None` if the name is not below the folder.
fn strip_folder<'a>(name: &'a [u8], folder: &str) -> Option<&'a [u8]> {
    let (head, rest) = name.split_at_checked(folder.len())?;
    if !head.eq_ignore_ascii_case(folder.as_bytes()) {
        return None;
    }
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix(b"/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ref that could be mistaken for a ledger, or that changes how a ledger is read, is
    /// forbidden.
    #[test]
    fn ledgers_and_forbidden_refs() {
        for name in ["prod", "policy", "evidence", "pr"] {
            assert_eq!(
                classify(format!("refs/deploy/{name}").as_bytes()),
                RefKind::Ledger(name.parse().unwrap())
            );
        }
        let forbidden: [&[u8]; 22] = [
            b"refs/deploy",
            b"refs/deploy/",
            b"refs/deploy/Prod",
            b"refs/deploy/a/b",
            b"refs/deploy/a.lock",
            b"refs/deploy/-x",
            b"refs/deploy/../heads/main",
            b"refs/deploy/\xff",
            b"refs/Deploy/prod",
            b"REFS/deploy/prod",
            b"refs/deploy//prod",
            b"refs/notes/deploy",
            b"refs/notes/deploy/x",
            b"refs/replace/2affccc97fa05736482d4523166f70cb561afa11",
            b"refs/deploy-incoming/prod",
            b"refs/deploy-incoming-notes/deploy",
            b"refs/heads/deploy",
            b"refs/heads/deploy/prod",
            b"refs/heads/Deploy/prod",
            b"refs/tags/deploy",
            b"refs/tags/deploy/prod",
            b"refs/tags/deploy/\xff",
        ];
        for name in forbidden {
            assert!(
                matches!(classify(name), RefKind::Forbidden(_)),
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }

    /// Refs that do not concern us are ignored.
    #[test]
    fn other_refs() {
        assert_eq!(
            classify(b"refs/heads/main"),
            RefKind::Branch("main".to_owned())
        );
        assert_eq!(
            classify(b"refs/heads/deployment"),
            RefKind::Branch("deployment".to_owned())
        );
        assert_eq!(classify(b"refs/tags/v1/x"), RefKind::Tag("v1/x".to_owned()));
        assert_eq!(
            classify(b"refs/Heads/Main"),
            RefKind::Branch("Main".to_owned())
        );
        assert!(
            is_exact(b"refs/heads/Main")
                && is_exact(b"refs/tags/v1")
                && !is_exact(b"refs/Heads/main")
        );
        for name in [
            &b"refs/notes/commits"[..],
            b"refs/notes/deployments",
            b"refs/pull/1/head",
            b"HEAD",
            b"refs/heads/\xff",
            b"",
        ] {
            assert_eq!(classify(name), RefKind::Other);
        }
    }
}
