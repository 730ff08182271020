//! The versions of components, from a file of the commit or from tags on it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::{
    Placeholder, Template, VersionRule, VersionScheme, VersionSource, VersionTagPattern,
    compare_versions,
};
use crate::domain::rules::{Fact, Facts};
use crate::domain::text::{Line, sanitize};
use crate::git::error::{Error, Result};
use crate::git::object::ObjectKind;
use crate::git::tree_entries::parse_entries;

/// The largest file that holds a version, in bytes.
const FILE_LIMIT: usize = 1_024;

/// The version of each component at a commit.
type Versions = BTreeMap<(CommitId, ComponentName), Fact<Option<Line>>>;
/// Tags below a prefix, each with its commit.
type Tags = Result<Vec<(String, CommitId)>>;

impl FactGatherer<'_> {
    /// Gathers the versions of the changed components. A version that a command prints is left
    /// out.
    pub(super) fn gather_versions(&self, plan: &FactPlan<'_>, facts: &mut Facts) {
        let Some(rule) = plan
            .environment
            .as_ref()
            .and_then(|(_, rules)| rules.version.as_ref())
        else {
            return;
        };
        let changed = plan.changes.iter().filter(|it| it.is_changed);
        facts
            .versions
            .extend(self.read_versions(rule, changed.map(|it| (it.commit, it.component.clone()))));
    }

    /// Reads the versions of components at commits. A version that a command prints is left out.
    pub fn read_versions(
        &self,
        rule: &VersionRule,
        targets: impl Iterator<Item = (CommitId, ComponentName)>,
    ) -> Versions {
        let mut tags: HashMap<String, Tags> = HashMap::new();
        let version = |(commit, component): (CommitId, ComponentName)| {
            let version = match &rule.from {
                VersionSource::File(template) => {
                    self.read_version_file(template, commit, &component)
                }
                VersionSource::Tag(tag) => {
                    let prefix = tag_folder(tag, &component);
                    let tags = tags
                        .entry(prefix)
                        .or_insert_with_key(|prefix| self.list_tags(prefix));
                    find_highest_version(tag, rule.scheme, tags, commit, &component)
                }
                VersionSource::Command(_) => return None,
            };
            Some(((commit, component), version))
        };
        targets.filter_map(version).collect()
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
                .and_then(|(tree, _)| self.read_code_file(tree, &path))
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
        let mut current = (root, true);
        for part in path.split('/') {
            let (folder, true) = current else {
                return Ok(None);
            };
            let raw = self.repository.read_object(folder, ObjectKind::Tree)?;
            let mut next = None;
            for entry in parse_entries(folder, &raw) {
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
            match next {
                Some(next) => current = next,
                None => return Ok(None),
            }
        }
        match current {
            (file, false) => self.repository.read_blob(file, FILE_LIMIT).map(Some),
            (_, true) => Ok(None),
        }
    }

    fn list_tags(&self, prefix: &str) -> Tags {
        let mut tags = Vec::new();
        for (name, id) in self.repository.list_refs(prefix)? {
            if let Some(commit) = self.repository.peel_to_commit(id)? {
                tags.push((name, CommitId(commit)));
            }
        }
        Ok(tags)
    }
}

/// Returns the folder of refs that a component's version tags are in.
fn tag_folder(tag: &VersionTagPattern, component: &ComponentName) -> String {
    let pattern = tag.as_str().replace("{component}", component.as_str());
    let fixed = pattern.split('*').next().unwrap_or_default();
    let folder = fixed
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"));
    format!("refs/tags/{folder}")
}

/// Returns the highest version among the tags on a commit.
fn find_highest_version(
    tag: &VersionTagPattern,
    scheme: VersionScheme,
    tags: &Tags,
    commit: CommitId,
    component: &ComponentName,
) -> Fact<Option<Line>> {
    let tags = tags.as_ref().map_err(|error| describe_error(error))?;
    let tags_on_commit = tags
        .iter()
        .filter(|(_, at)| *at == commit)
        .filter_map(|(name, _)| name.strip_prefix("refs/tags/"));
    let mut highest: Option<&str> = None;
    for version in tags_on_commit.filter_map(|name| tag.version_of(component, name)) {
        let is_higher = match highest {
            None => true,
            Some(old) => {
                compare_versions(scheme, old, version).map_err(|error| describe_error(&error))?
                    == Ordering::Greater
            }
        };
        if is_higher {
            highest = Some(version);
        }
    }
    highest
        .map(|version| {
            version
                .parse::<Line>()
                .map_err(|error| describe_error(&error))
        })
        .transpose()
}
