//! The tips that this program has verified in a repository, in a private file.
//!
//! Git can write any ref: a mirror clone, a refspec, `git fetch` by hand or a restored backup brings
//! entries below `refs/deploy/` that were never verified. A tip counts as verified only if it is in
//! this record. The record says nothing about another project, and nothing about another folder: in a
//! copy of the repository, which anyone may have prepared, everything is verified again.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use super::Tips;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The private file.
const FILE: &str = "verified-tips";
/// Its first line. It changes when entries have to be verified again, in another way.
const HEADER: &str = "verified-tips 2";

/// The verified tips of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerifiedTips {
    /// The project from whose root the ledgers were verified.
    pub project: EntryId,
    /// The tip of each ledger when it was last verified.
    pub tips: Tips,
}

impl VerifiedTips {
    /// Parses the text of the file. Returns `None` if it was written for another folder, or if
    /// anything in it is not understood: the ledgers are then verified again.
    fn parse(text: &str, folder: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.lines();
        if lines.next()? != HEADER {
            return None;
        }
        if lines.next()?.strip_prefix("folder ")? != folder {
            return None;
        }
        let project = lines.next()?.strip_prefix("project ")?.parse().ok()?;
        let mut tips = Tips::new();
        for line in lines {
            let (ledger, tip) = line.strip_prefix("tip ")?.split_once(' ')?;
            tips.insert(ledger.parse().ok()?, tip.parse().ok()?);
        }
        Some(Self { project, tips })
    }

    fn print(&self, folder: &str) -> String {
        let mut text = format!("{HEADER}\nfolder {folder}\nproject {}\n", self.project);
        for (ledger, tip) in &self.tips {
            let _ = writeln!(text, "tip {ledger} {tip}");
        }
        text
    }
}

impl Repository {
    /// Identifies the repository's folder on this disk, by its inode and the time at which it was
    /// made. A copy has others, and who prepares one cannot predict them. A folder that is renamed
    /// keeps them.
    fn identify_folder(&self) -> String {
        let Ok(folder) = self.common_dir().metadata() else {
            return "unknown".to_owned();
        };
        // Some file systems do not record this time.
        let made = folder.created().ok();
        let made = made.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!("{} {}", folder.ino(), made.map_or(0, |it| it.as_nanos()))
    }

    /// Returns the verified tips. Reads them before the refs: both move forward, so the refs are
    /// then never behind.
    pub(super) fn read_verified_tips(&self) -> Option<VerifiedTips> {
        let folder = self.identify_folder();
        let written = self
            .read_private_file(FILE)
            .and_then(|text| VerifiedTips::parse(&text, &folder));
        // If the file cannot be written, each process verifies once.
        written.or_else(|| self.ledger_cache().verified_tips())
    }

    /// Records newly verified tips. `before` is the record from which they were verified.
    ///
    /// What another process has recorded since then is kept. A failure to write is no error: the
    /// next command verifies again.
    pub(super) fn record_verified_tips(
        &self,
        before: Option<&VerifiedTips>,
        verified: &VerifiedTips,
    ) {
        self.ledger_cache().set_verified_tips(verified);
        // The objects of a push that is being checked may disappear again.
        if self.is_quarantined() {
            return;
        }
        let folder = self.identify_folder();
        let _ = self.change_private_file(FILE, |text| {
            let present = text.and_then(|text| VerifiedTips::parse(&text, &folder));
            let mut merged = verified.clone();
            let present = present.filter(|present| present.project == merged.project);
            for (ledger, tip) in present.iter().flat_map(|present| &present.tips) {
                if before.and_then(|before| before.tips.get(ledger)) != Some(tip) {
                    merged.tips.insert(ledger.clone(), *tip);
                }
            }
            (present.as_ref() != Some(&merged)).then(|| merged.print(&folder))
        });
    }

    /// Begins a record for a project, unless there is one.
    pub(super) fn begin_verified_tips(&self, project: EntryId, tips: &Tips) {
        let folder = self.identify_folder();
        let _ = self.change_private_file(FILE, |text| {
            let present = text.and_then(|text| VerifiedTips::parse(&text, &folder));
            let begun = VerifiedTips {
                project,
                tips: tips.clone(),
            };
            present
                .is_none_or(|present| present.project != project)
                .then(|| begun.print(&folder))
        });
    }

    /// Moves a ledger from `old` to `new`, a later entry that the caller has validated, and records
    /// `new` as verified if `old` was.
    pub(crate) fn move_verified_ledger(
        &self,
        ledger: &LedgerName,
        old: Option<EntryId>,
        new: EntryId,
        log: &str,
    ) -> Result<()> {
        self.advance_ledger(ledger, old, new, log)?;
        // Recorded after the ref has moved, so that the ref is never behind the record.
        let folder = self.identify_folder();
        let _ = self.change_private_file(FILE, |text| {
            let mut present = VerifiedTips::parse(&text?, &folder)?;
            let recorded = present.tips.get(ledger).copied();
            (recorded == old && recorded != Some(new)).then(|| {
                present.tips.insert(ledger.clone(), new);
                present.print(&folder)
            })
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record is read as written. Without its end, or with anything else in it, it counts as
    /// missing, and the ledgers are verified again.
    #[test]
    fn only_a_whole_record_is_read() {
        let id = |digit: &str| digit.repeat(40).parse::<EntryId>().unwrap();
        let record = VerifiedTips {
            project: id("1"),
            tips: Tips::from([
                ("policy".parse().unwrap(), id("2")),
                ("project".parse().unwrap(), id("3")),
            ]),
        };
        let text = record.print("7 8");
        assert_eq!(VerifiedTips::parse(&text, "7 8"), Some(record));
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        for length in 0..text.len() {
            let is_whole = ends.contains(&length) && length > ends[1];
            let parsed = VerifiedTips::parse(&text[..length], "7 8");
            assert_eq!(parsed.is_some(), is_whole, "{length}");
        }
        for (from, to) in [
            ("-tips 2", "-tips 1"),
            ("folder 7", "folder 9"),
            ("tip policy", "top policy"),
        ] {
            let text = text.replace(from, to);
            assert_eq!(VerifiedTips::parse(&text, "7 8"), None, "{from}");
        }
    }
}
