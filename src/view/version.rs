//! The current and the next version of a component: the text of `git deploy version`, and the document
//! `git-deploy/version/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::wrap;
use crate::domain::command_line::quote_word;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::next_version::{ChangeCounts, TaggedVersion};

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// The component.
    pub component: ComponentName,
    /// The highest version, which may be a pre-release; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<VersionTag>,
    /// The highest version that is no pre-release; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<VersionTag>,
    /// The commits since that release that touch the component; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// The next version; absent if nothing has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The tag that gives the next version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// How many commits make which kind of change.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Those that break something.
    pub breaking: usize,
    /// Those of the type `feat`.
    pub features: usize,
    /// Those of the type `fix`.
    pub fixes: usize,
    /// All others.
    pub others: usize,
}

impl From<ChangeCounts> for Changes {
    fn from(counts: ChangeCounts) -> Self {
        let ChangeCounts {
            breaking,
            features,
            fixes,
            others,
        } = counts;
        Self {
            breaking,
            features,
            fixes,
            others,
        }
    }
}

/// A version and its tag.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionTag {
    /// The version.
    pub version: String,
    /// The short name of the tag.
    pub tag: String,
    /// The commit that the tag marks.
    pub commit: CommitId,
}

impl From<&TaggedVersion> for VersionTag {
    fn from(tagged: &TaggedVersion) -> Self {
        Self {
            version: tagged.version.clone(),
            tag: tagged.tag.clone(),
            commit: tagged.commit,
        }
    }
}

impl VersionReport {
    /// Renders the versions as sentences, and the command that makes the next one.
    pub fn render(&self, width: Option<usize>) -> String {
        let component = &self.component;
        let current = match &self.current {
            None => format!("{component} has no version yet."),
            Some(VersionTag { version, tag, .. }) => {
                format!("{component} is at {version} (tag {tag}).")
            }
        };
        let mut lines = wrap::wrap_indented("", 2, &current, width);
        if let (Some(release), Some(changes)) = (&self.release, self.changes) {
            let changes = describe_changes(changes);
            let sentence = format!("Since {}: {changes}.", release.tag);
            lines.extend(wrap::wrap_indented("", 2, &sentence, width));
        }
        if let (Some(next), Some(tag)) = (&self.next, &self.tag) {
            lines.push(format!("The next version is {next}:"));
            lines.push(format!("  → git tag {}", quote_word(tag)));
        }
        lines.join("\n")
    }
}

/// Lists how many commits make which kind of change.
fn describe_changes(changes: Changes) -> String {
    let Changes {
        breaking,
        features,
        fixes,
        others,
    } = changes;
    let kinds = [
        (breaking, "breaking change", "breaking changes"),
        (features, "feature", "features"),
        (fixes, "fix", "fixes"),
        (others, "other commit", "other commits"),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| format!("{count} {}", if count == 1 { one } else { several }))
        .collect();
    if parts.is_empty() {
        "nothing has changed".to_owned()
    } else {
        parts.join(", ")
    }
}
