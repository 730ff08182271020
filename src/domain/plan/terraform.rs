//! Terraform's plans, read from `terraform show -json`.
//!
//! That JSON holds every value in the clear, sensitive ones too. So nothing of a value is kept but the digest of the whole.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::id::Digest;
use crate::domain::text::harmless;

#[cfg(test)]
mod tests;

/// The most bytes of JSON that are read; plans of ten thousand resources have some 50 MB.
pub const LIMIT: usize = 256 << 20;

/// The most characters of an address or a name that are kept.
const NAME: usize = 300;

/// Whether a file that begins like this is a plan that terraform (or `OpenTofu`) has saved: a zip file whose first entry is `tfplan`.
///
/// The first 36 bytes suffice.
pub fn is_terraform(first_bytes: &[u8]) -> bool {
    // Of a local file header: the signature, and the length and the bytes of the name.
    first_bytes.starts_with(b"PK\x03\x04")
        && first_bytes.get(26..28) == Some(&[6, 0])
        && first_bytes.get(30..36) == Some(b"tfplan")
}

/// Why what terraform shows is not a plan that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// More than [`LIMIT`] bytes.
    #[error("what terraform shows of the plan has {0} bytes; at most {LIMIT} are read")]
    TooLarge(usize),
    /// Not the JSON of a plan.
    #[error("what terraform shows is not the JSON of a plan: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a terraform that is older than 1.1, or newer than what is known.
    #[error(
        "the plan is in format {0:?}; only version 1 is understood, which terraform 1.1 and later write"
    )]
    Format(String),
    /// Terraform hit an error while it planned.
    #[error("terraform hit an error while it planned, so the plan can only be looked at")]
    Errored,
    /// The plan leaves something out.
    #[error(
        "the plan is not complete: -target was given, or terraform has put changes off; plan everything"
    )]
    Incomplete,
    /// An action that is not known.
    #[error("the plan has an action that is not known, {actions:?} for {address}")]
    Action {
        /// What it is for.
        address: String,
        /// The action, in terraform's words.
        actions: Vec<String>,
    },
}

/// What is done with a resource or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed where it is.
    Update,
    /// It is destroyed and made anew, in whatever order.
    Replace,
    /// It is made anew; the old one stays, and terraform no longer knows it.
    CreateAndForget,
    /// It is destroyed.
    Destroy,
    /// It stays, and terraform no longer knows it.
    Forget,
    /// It is read while the plan is applied.
    Read,
    /// It exists, and terraform gets to know it, changing nothing else.
    Import,
    /// It gets another address, and nothing else changes.
    Move,
}

impl Action {
    /// The word of terraform's screens: `create`, `destroy`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::CreateAndForget => "create and forget",
            Self::Destroy => "destroy",
            Self::Forget => "forget",
            Self::Read => "read",
            Self::Import => "import",
            Self::Move => "move",
        }
    }

    /// The sign that terraform puts before it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create | Self::Import => "+",
            Self::Update | Self::Move => "~",
            Self::Replace => "-/+",
            Self::CreateAndForget => "./+",
            Self::Destroy => "-",
            Self::Forget => ".",
            Self::Read => "<=",
        }
    }
}

/// How many resources it concerns. A replacement counts twice, as terraform counts it: it is added and destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Resources that terraform gets to know.
    pub import: usize,
    /// Resources that are made.
    pub add: usize,
    /// Resources that are changed where they are.
    pub change: usize,
    /// Resources that are destroyed.
    pub destroy: usize,
    /// Resources that stay, and that terraform no longer knows.
    pub forget: usize,
}

impl Summary {
    fn count(&mut self, action: Action) {
        match action {
            Action::Create => self.add += 1,
            Action::Update => self.change += 1,
            Action::Replace => {
                self.add += 1;
                self.destroy += 1;
            }
            Action::CreateAndForget => {
                self.add += 1;
                self.forget += 1;
            }
            Action::Destroy => self.destroy += 1,
            Action::Forget => self.forget += 1,
            Action::Read | Action::Import | Action::Move => {}
        }
    }
}

/// In terraform's words: `2 to add, 1 to change, 0 to destroy`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.import > 0 {
            write!(f, "{} to import, ", self.import)?;
        }
        write!(
            f,
            "{} to add, {} to change, {} to destroy",
            self.add, self.change, self.destroy
        )?;
        if self.forget > 0 {
            write!(f, ", {} to forget", self.forget)?;
        }
        Ok(())
    }
}

/// A resource that the plan concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its address, such as `module.db.aws_instance.a["x"]`: harmless, and shortened where it is very long.
    pub address: String,
    /// What is done with it.
    pub action: Action,
    /// Whether it is made anew only because an earlier apply left it half made.
    pub tainted: bool,
}

/// An output of the root module that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub action: Action,
}

/// What a terraform plan would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terraform {
    digest: Digest,
    summary: Summary,
    changes: Vec<Change>,
    outputs: Vec<Output>,
    drifted: usize,
    empty: bool,
}

impl Terraform {
    /// Reads what `terraform show -json` prints of a saved plan.
    pub fn read(json: &[u8]) -> Result<Self, TerraformError> {
        if json.len() > LIMIT {
            return Err(TerraformError::TooLarge(json.len()));
        }
        let shown: Shown = serde_json::from_slice(json)?;
        if shown.format_version.split('.').next() != Some("1") {
            return Err(TerraformError::Format(kept(&shown.format_version)));
        }
        if shown.errored {
            return Err(TerraformError::Errored);
        }
        if shown.complete == Some(false) || !shown.deferred_changes.is_empty() {
            return Err(TerraformError::Incomplete);
        }
        let (mut summary, mut changes) = (Summary::default(), Vec::new());
        for resource in &shown.resource_changes {
            let address = resource.address();
            let mut action = known(&address, &resource.change)?;
            if resource.change.importing.is_some() {
                summary.import += 1;
                action = action.or(Some(Action::Import));
            }
            if resource.previous_address.is_some() {
                action = action.or(Some(Action::Move));
            }
            if let Some(action) = action {
                summary.count(action);
                let tainted = resource.action_reason.as_deref() == Some("replace_because_tainted");
                changes.push(Change {
                    address,
                    action,
                    tainted,
                });
            }
        }
        let mut outputs = Vec::new();
        for (name, change) in &shown.output_changes {
            let name = kept(name);
            if let Some(action) = known(&name, change)? {
                outputs.push(Output { name, action });
            }
        }
        // Terraform knows of more that can be applied than is listed here. Versions before 1.8 do not say.
        let nothing =
            changes.is_empty() && outputs.is_empty() && shown.action_invocations.is_empty();
        let empty = nothing && !shown.applyable.unwrap_or(false);
        Ok(Self {
            digest: digest(json),
            summary,
            changes,
            outputs,
            drifted: shown.resource_drift.len(),
            empty,
        })
    }

    /// What approvals bind: equal for two plans that would do the same from the same state.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How many resources it concerns.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The resources that it concerns, in terraform's order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The outputs that change, by name: what other components may read.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// How many resources somebody has changed behind terraform's back.
    pub fn drifted(&self) -> usize {
        self.drifted
    }

    /// Whether applying it would do nothing, as `terraform plan -detailed-exitcode` says with 0: outputs count, drift alone does not.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whether it would destroy anything, be it to make it anew.
    pub fn destroys(&self) -> bool {
        self.summary.destroy > 0
    }

    /// The same without what an earlier apply left half made: whether anything would be destroyed that may be in use.
    pub fn destroys_whole(&self) -> bool {
        let destroys =
            |it: &Change| matches!(it.action, Action::Destroy | Action::Replace) && !it.tainted;
        self.changes.iter().any(destroys)
    }

    /// Whether what other components read from it changes.
    pub fn outputs_changed(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The same with what `mask` makes of each address and name: a key of `for_each` may hold what a secret holds.
    #[must_use]
    pub fn masked(mut self, mask: &dyn Fn(&str) -> String) -> Self {
        self.changes
            .iter_mut()
            .for_each(|change| change.address = kept(&mask(&change.address)));
        self.outputs
            .iter_mut()
            .for_each(|output| output.name = kept(&mask(&output.name)));
        self
    }
}

/// What is read of the JSON. Fields that are missing are of a terraform that does not know them.
#[derive(Deserialize)]
struct Shown {
    format_version: String,
    applyable: Option<bool>,
    complete: Option<bool>,
    #[serde(default)]
    errored: bool,
    #[serde(default)]
    resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    resource_drift: Vec<IgnoredAny>,
    #[serde(default)]
    output_changes: BTreeMap<String, Actions>,
    #[serde(default)]
    deferred_changes: Vec<IgnoredAny>,
    #[serde(default)]
    action_invocations: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct ResourceChange {
    address: String,
    previous_address: Option<IgnoredAny>,
    deposed: Option<String>,
    action_reason: Option<String>,
    change: Actions,
}

#[derive(Deserialize)]
struct Actions {
    actions: Vec<String>,
    importing: Option<IgnoredAny>,
}

impl ResourceChange {
    /// Its address; that of an object that was replaced and is still there says so, as terraform's screens do.
    fn address(&self) -> String {
        match &self.deposed {
            Some(key) => format!("{} (deposed object {})", kept(&self.address), kept(key)),
            None => kept(&self.address),
        }
    }
}

/// What is done, in the JSON's list of words; none where that is nothing.
fn known(name: &str, change: &Actions) -> Result<Option<Action>, TerraformError> {
    let words: Vec<&str> = change.actions.iter().map(String::as_str).collect();
    Ok(Some(match words[..] {
        ["no-op"] => return Ok(None),
        ["create"] => Action::Create,
        ["update"] => Action::Update,
        ["delete", "create"] | ["create", "delete"] => Action::Replace,
        ["create", "forget"] | ["forget", "create"] => Action::CreateAndForget,
        ["delete"] => Action::Destroy,
        ["forget"] => Action::Forget,
        ["read"] => Action::Read,
        _ => {
            let actions = words.iter().take(4).map(|word| kept(word)).collect();
            return Err(TerraformError::Action {
                address: name.to_owned(),
                actions,
            });
        }
    }))
}

/// A name that a stranger chose, as it is kept.
fn kept(name: &str) -> String {
    let end = name
        .char_indices()
        .nth(NAME)
        .map_or(name.len(), |(at, _)| at);
    let more = if end < name.len() { "…" } else { "" };
    format!("{}{more}", harmless(&name[..end]))
}

/// What differs between two plans of the same: when it was made, and the attributes that may explain drift, which terraform lists in
/// no order and which change nothing.
const VOLATILE: [&[u8]; 2] = [b"\"timestamp\":", b"\"relevant_attributes\":"];

/// The digest of a JSON object, which must be one: of its members without white space and without the volatile ones, sorted.
///
/// Inside a member all is as terraform wrote it: it sorts keys itself, and a number that went through a floating point number
/// would hide a change in its last digits.
fn digest(json: &[u8]) -> Digest {
    let mut members = members(json);
    members.retain(|member| !VOLATILE.iter().any(|name| member.starts_with(name)));
    members.sort_unstable();
    let mut canonical = b"{".to_vec();
    canonical.extend(members.join(&b','));
    canonical.push(b'}');
    Digest::sha256(&canonical)
}

/// The members of a JSON object that is known to be well formed, without white space.
fn members(json: &[u8]) -> Vec<Vec<u8>> {
    let (mut members, mut member) = (Vec::new(), Vec::new());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            member.push(byte);
            continue;
        }
        if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b',' | b'}' if depth == usize::from(byte == b',') => {
                members.push(std::mem::take(&mut member))
            }
            b'{' if depth == 0 => {}
            _ => member.push(byte),
        }
        quoted = byte == b'"';
        if matches!(byte, b'{' | b'[') {
            depth += 1;
        }
    }
    members
}
