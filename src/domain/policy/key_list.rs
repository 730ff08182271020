//! The key list of a published policy: the file `keys`, which a program without a TOML parser can
//! read.
//!
//! A `publish` signs its digest, and every client and server derives it again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Policy;
use crate::domain::id::{Digest, PublicKey};

/// The two files that a `publish` brings into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPolicy {
    /// The bytes of `deploy.toml`.
    pub text: Arc<[u8]>,
    /// The bytes of `keys`.
    pub keys: Arc<[u8]>,
}

impl PublishedPolicy {
    /// Derives the key list of a policy in a project with these root keys. The list is empty if the
    /// text is not a valid policy: no rule accepts such a publish, and computing the tree must not
    /// fail.
    pub fn new(text: Arc<[u8]>, root_keys: &[PublicKey]) -> Self {
        let keys = Policy::from_bytes(&text)
            .map(|policy| policy.key_list(root_keys))
            .unwrap_or_default();
        Self {
            text,
            keys: keys.into_bytes().into(),
        }
    }
}

impl Policy {
    /// Returns the digest of the key list, which the publish entry signs.
    pub fn key_list_digest(&self, root_keys: &[PublicKey]) -> Digest {
        Digest::sha256(self.key_list(root_keys).as_bytes())
    }

    /// Returns the key list: one line `<person> <key> <status>` per key, in bytewise order. The
    /// status is `admin` for the current key of a person who may publish a policy, `active` for
    /// another current key, and `retired`.
    fn key_list(&self, root_keys: &[PublicKey]) -> String {
        let admins = self.admins(root_keys);
        let mut lines = BTreeSet::new();
        for (person, spec) in &self.people {
            let status = if admins.contains(person) {
                "admin"
            } else {
                "active"
            };
            lines.insert(format!("{person} {} {status}\n", spec.key));
            for key in &spec.retired {
                lines.insert(format!("{person} {key} retired\n"));
            }
        }
        lines.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::new([byte; 8], [byte; 32])
    }

    /// Checks the status and the order of every line, for each way to name the admins.
    #[test]
    fn key_lists() {
        let [alice, ann, old, older, ci] = [0x51, 0x21, 0x31, 0x11, 0x41].map(key);
        let people = format!(
            "schema = 1\nproject = \"shop\"\n[people]\nci = {{ key = \"{ci}\", machine = true }}\nann = {{ key = \"{ann}\", retired = [\"{old}\", \"{older}\"] }}\nalice = \"{alice}\"\n[groups]\nops = [\"ann\", \"ci\"]\n"
        );
        let list = |admins: &str, roots: &[PublicKey]| {
            let text = format!("{people}{admins}[environments.prod]\n");
            Policy::parse(&text).unwrap().key_list(roots)
        };
        let expected = |alice_is: &str, ann_is: &str, ci_is: &str| {
            let mut olds = [old, older].map(|key| format!("ann {key} retired"));
            olds.sort();
            let [first, second] = olds;
            let current = format!("ann {ann} {ann_is}");
            let mut anns = [first, second, current];
            anns.sort();
            format!(
                "alice {alice} {alice_is}\n{}\nci {ci} {ci_is}\n",
                anns.join("\n")
            )
        };
        // By name, by group, and by the root keys, of which one is retired here.
        for (admins, roots, statuses) in [
            (
                "[policy]\nadmins = \"alice\"\n",
                &[ann][..],
                ["admin", "active", "active"],
            ),
            (
                "[policy]\nadmins = \"ops\"\n",
                &[alice],
                ["active", "admin", "admin"],
            ),
            ("", &[alice], ["admin", "active", "active"]),
            ("", &[older], ["active", "admin", "active"]),
            ("", &[key(0x61)], ["active", "active", "active"]),
        ] {
            let [alice_is, ann_is, ci_is] = statuses;
            assert_eq!(list(admins, roots), expected(alice_is, ann_is, ci_is));
        }
        let sorted = list("", &[alice]);
        assert!(sorted.lines().is_sorted() && sorted.ends_with('\n'));
    }

    /// Checks that text that is no policy has an empty list instead of an error.
    #[test]
    fn no_policy_has_no_keys() {
        for text in [&b""[..], b"schema = 2\n", b"\xff", b"[people]\n"] {
            assert_eq!(*PublishedPolicy::new(text.into(), &[key(1)]).keys, *b"");
        }
    }
}
