//! The versions of components, from a file of the commit or from tags on it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::needs::{FactPlan, FactTarget};
use super::{BranchSource, FactGatherer, describe_error};
use crate::domain::entry::{StoredEntry, VersionTag};
use crate::domain::id::{CommitId, Oid, TagObject};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::{
    Placeholder, Template, VersionRule, VersionScheme, VersionSource, VersionTagPattern,
    compare_versions,
};
use crate::domain::rules::{Fact, Facts};
use crate::domain::text::{Line, sanitize};
use crate::git::error::{Error, Result};
use crate::git::object::ObjectKind;
use crate::git::tree_entries::parse_entries;
use crate::ledger::missing_tags::SERVER_ENFORCES_SETTING;

/// The largest file that holds a version, in bytes.
const FILE_LIMIT: usize = 1_024;

/// The version of each component at a commit.
type Versions = BTreeMap<(CommitId, ComponentName), Fact<Option<Line>>>;
/// The tag that gave each version.
type VersionTags = BTreeMap<(CommitId, ComponentName), VersionTag>;
/// Tags below a prefix, or why they could not be read.
type Tags = Result<Vec<ListedTag>>;

/// A tag on a commit.
struct ListedTag {
    /// The full name of the ref.
    name: String,
    object: TagObject,
    commit: CommitId,
}

impl FactGatherer<'_> {
    /// Gathers the versions of the changed components. A version that a command prints is left
    /// out.
    pub(super) fn gather_versions(&self, plan: &FactPlan<'_>, facts: &mut Facts) {
        let Some(rule) = plan
            .environment
            .as_ref()
            .and_then(|(_, settings)| settings.version.as_ref())
        else {
            return;
        };
        let changed = plan.changes.iter().filter(|it| it.changes_content);
        let targets = changed.clone().map(|it| (it.commit, it.component.clone()));
        (facts.versions, facts.version_tags) = self.read_versions(rule, targets);
        // The tag that a past entry names may be gone, and newer tags may exist. So an audit reads
        // the named tag.
        let VersionSource::Tag(pattern) = &rule.from else {
            return;
        };
        for change in changed.filter(|_| self.branches == BranchSource::Stated) {
            if let Some(tag) = &change.tag {
                let key = (change.commit, change.component.clone());
                let version = self.read_named_tag(pattern, change, tag, facts);
                facts.versions.insert(key.clone(), version);
                facts.version_tags.insert(key, tag.clone());
            }
        }
    }

    /// Returns the version that the tag named by a past entry gives. If the tag no longer exists,
    /// trusts the entry and adds the tag to [`Facts::missing_tags`].
    fn read_named_tag(
        &self,
        pattern: &VersionTagPattern,
        change: &FactTarget,
        tag: &VersionTag,
        facts: &mut Facts,
    ) -> Fact<Option<Line>> {
        let Some(version) = pattern.version_of(&change.component, tag.name.as_str()) else {
            return Ok(None);
        };
        let version = version.parse().map_err(|error| describe_error(&error))?;
        // A tag object that exists and points to another commit cannot have given the version.
        let object = self.repository.peel_to_commit(tag.object.0);
        if object.is_ok_and(|commit| commit != Some(change.commit.0)) {
            return Ok(None);
        }
        if let Some(why) = self.find_tag_fault(tag) {
            facts.missing_tags.insert(tag.clone(), why);
        }
        Ok(Some(version))
    }

    /// Checks the tags that gave the versions of a component in entries of a previous environment.
    ///
    /// Fails with the reason if a tag was missing when this clone first fetched the entry, and still
    /// is. Such an entry is no evidence for a promotion, unless the user states that the server
    /// enforces the rules. An audit skips this check: the clone that wrote the entry made it.
    pub(super) fn check_tags_of(
        &self,
        ledger: &LedgerName,
        component: &ComponentName,
        entries: &[Arc<StoredEntry>],
    ) -> Fact<()> {
        if self.branches == BranchSource::Stated {
            return Ok(());
        }
        let missing = self
            .repository
            .find_missing_tags(ledger)
            .map_err(|error| describe_error(&error))?;
        for entry in entries.iter().filter(|_| !missing.is_empty()) {
            let result = entry.statement.component_result(component);
            if let Some(tag) = result.and_then(|it| it.target.tag)
                && missing.contains(&tag)
                && let Some(why) = self.find_tag_fault(&tag)
            {
                return Err(format!(
                    "cannot re-check {ledger}@{}: {why}; if the server has git-deploy's hooks, run: git config {SERVER_ENFORCES_SETTING} true",
                    entry.statement.sequence
                ));
            }
        }
        Ok(())
    }

    /// Returns why a tag cannot be checked again: it is gone, or names another object.
    pub(super) fn find_tag_fault(&self, tag: &VersionTag) -> Option<String> {
        match self.repository.read_ref(&format!("refs/tags/{}", tag.name)) {
            Ok(Some(id)) if id == tag.object.0 => None,
            Ok(Some(_)) => Some(format!("tag {} has moved", tag.name)),
            Ok(None) => Some(format!("tag {} is gone", tag.name)),
            Err(error) => Some(describe_error(&error)),
        }
    }

    /// Reads the versions of components at commits, and the tags that gave them. A version that a
    /// command prints is left out.
    pub fn read_versions(
        &self,
        rule: &VersionRule,
        targets: impl Iterator<Item = (CommitId, ComponentName)>,
    ) -> (Versions, VersionTags) {
        let mut version_tags = VersionTags::new();
        let mut tags: HashMap<String, Tags> = HashMap::new();
        let mut versions = Versions::new();
        for (commit, component) in targets {
            let version = match &rule.from {
                VersionSource::File(template) => {
                    self.read_version_file(template, commit, &component)
                }
                VersionSource::Tag(tag) => {
                    let prefix = tag_folder(tag, &component);
                    let tags = tags
                        .entry(prefix)
                        .or_insert_with_key(|prefix| self.list_tags(prefix));
                    let highest = find_highest_version(tag, rule.scheme, tags, commit, &component);
                    highest.map(|highest| {
                        let (version, tag) = highest?;
                        version_tags.insert((commit, component.clone()), tag);
                        Some(version)
                    })
                }
                VersionSource::Command(_) => continue,
            };
            versions.insert((commit, component), version);
        }
        (versions, version_tags)
    }

    fn read_version_file(
        &self,
        template: &Template,
        commit: CommitId,
        component: &ComponentName,
    ) -> Fact<Option<Line>> {
        let fill =
            |placeholder| (placeholder == Placeholder::Component).then(|| component.to_string());
        let path = template
            .render(fill)
            .map_err(|other| format!("{template} asks for {other:?}"))?;
        let read = || {
            self.code
                .commit(commit)
                .and_then(|commit| self.read_code_file(commit.tree, &path))
        };
        let Some(bytes) = read().map_err(|error| describe_error(&error))? else {
            return Ok(None);
        };
        let first = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let text = std::str::from_utf8(first)
            .map_err(|_| format!("{} is not UTF-8", sanitize(&path)))?
            .trim();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|error| format!("{} at {}: {error}", sanitize(&path), commit.short()))
    }

    /// Returns the bytes of a file in a tree of the code; `None` if there is no such file.
    fn read_code_file(&self, root: Oid, path: &str) -> Result<Option<Vec<u8>>> {
        let (mut id, mut is_folder) = (root, true);
        for part in path.split('/') {
            if !is_folder {
                return Ok(None);
            }
            let raw = self.repository.read_object(id, ObjectKind::Tree)?;
            let mut next = None;
            for entry in parse_entries(id, &raw) {
                let entry = entry?;
                if entry.name == part.as_bytes() {
                    if !entry.is_tree() && !entry.mode.starts_with(b"100") {
                        return Err(Error::corrupt(
                            path,
                            "a link or a submodule where a file should be",
                        ));
                    }
                    next = Some((entry.id, entry.is_tree()));
                }
            }
            let Some(next) = next else {
                return Ok(None);
            };
            (id, is_folder) = next;
        }
        if is_folder {
            return Ok(None);
        }
        self.repository.read_blob(id, FILE_LIMIT).map(Some)
    }

    fn list_tags(&self, prefix: &str) -> Tags {
        let mut tags = Vec::new();
        for listed in self.repository.list_all_refs(prefix)? {
            // A broken tag is not on any commit.
            let Ok(id) = listed.target else { continue };
            if let Some(commit) = self.repository.peel_to_commit(id)? {
                tags.push(ListedTag {
                    name: listed.name,
                    object: TagObject(id),
                    commit: CommitId(commit),
                });
            }
        }
        Ok(tags)
    }
}

/// Returns the folder of refs that a component's version tags are in.
fn tag_folder(pattern: &VersionTagPattern, component: &ComponentName) -> String {
    let pattern = pattern.as_str().replace("{component}", component.as_str());
    let fixed = pattern.split('*').next().unwrap_or_default();
    let folder = fixed
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"));
    format!("refs/tags/{folder}")
}

/// Returns the highest version among the tags on a commit, and its tag. A tag that is no version of
/// the scheme, such as `v1` beside `v1.4.2`, counts only if none is. Of equal ones, the tag whose name
/// comes last counts.
fn find_highest_version(
    pattern: &VersionTagPattern,
    scheme: VersionScheme,
    tags: &Tags,
    commit: CommitId,
    component: &ComponentName,
) -> Fact<Option<(Line, VersionTag)>> {
    let tags = tags.as_ref().map_err(|error| describe_error(error))?;
    let tags_on_commit = tags
        .iter()
        .filter(|tag| tag.commit == commit)
        .filter_map(|tag| Some((tag.name.strip_prefix("refs/tags/")?, tag.object)));
    let versions = tags_on_commit
        .filter_map(|(name, object)| Some((pattern.version_of(component, name)?, name, object)));
    let highest = versions.max_by(|(one, one_name, _), (other, other_name, _)| {
        rank_versions(scheme, one, other).then_with(|| one_name.cmp(other_name))
    });
    highest
        .map(|(version, name, object)| {
            let parse = |text: &str| text.parse::<Line>().map_err(|error| describe_error(&error));
            let name = parse(name)?;
            Ok((parse(version)?, VersionTag { name, object }))
        })
        .transpose()
}

/// Compares two texts as versions. A text that is no version is lower than each version, and equal to
/// every other such text.
fn rank_versions(scheme: VersionScheme, one: &str, other: &str) -> Ordering {
    let is_version = |text: &str| compare_versions(scheme, text, text).is_ok();
    compare_versions(scheme, other, one).unwrap_or_else(|_| is_version(one).cmp(&is_version(other)))
}
