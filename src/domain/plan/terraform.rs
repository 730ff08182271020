//! Terraform plans, read from `terraform show -json`.
//!
//! The JSON contains every value in plain text, even sensitive ones. Therefore no value is kept,
//! only a digest of the JSON, and the actions, addresses and output names.

mod action;
mod digest;
mod warnings;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

pub use action::{ActionCounts, PlannedAction};
use digest::compute_digest;
pub use warnings::list_warnings;

use crate::domain::id::Digest;
use crate::domain::text::sanitize;

#[cfg(test)]
mod tests;

/// The maximum size of the JSON in bytes. A plan of ten thousand resources has about 50 MB.
pub const MAX_JSON_BYTES: usize = 256 << 20;

/// The maximum number of characters kept of an address or a name.
const MAX_NAME_CHARS: usize = 300;

/// Returns whether a file that begins with these bytes is a plan saved by terraform (or
/// `OpenTofu`): a zip file whose first entry is `tfplan`.
///
/// The first 36 bytes are enough.
pub fn is_saved_terraform_plan(first_bytes: &[u8]) -> bool {
    // The fields of a zip local file header: the signature, the length of the name, and the name.
    first_bytes.starts_with(b"PK\x03\x04")
        && first_bytes.get(26..28) == Some(&[6, 0])
        && first_bytes.get(30..36) == Some(b"tfplan")
}

/// Why the output of `terraform show` is not a plan that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// More than [`MAX_JSON_BYTES`] bytes.
    #[error("the output of terraform show has {0} bytes, at most {MAX_JSON_BYTES} are allowed")]
    TooLarge(usize),
    /// Not the JSON of a plan.
    #[error("the output of terraform show is not the JSON of a plan: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a terraform older than 1.1, or in a newer, unknown format.
    #[error(
        "the plan is in format {0:?}; only version 1 is supported, which terraform 1.1 and later write"
    )]
    Format(String),
    /// Terraform hit an error during planning.
    #[error("terraform reported an error while planning, so the plan cannot be applied")]
    Errored,
    /// The plan is incomplete.
    #[error(
        "the plan is incomplete, because of -target or because terraform deferred changes: plan everything at once"
    )]
    Incomplete,
    /// An unknown action.
    #[error("the plan has an unknown action, {actions:?} for {address}")]
    Action {
        /// The resource or the output.
        address: String,
        /// The action, as terraform names it.
        actions: Vec<String>,
    },
}

/// A resource in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// Tells it from every other resource, which the printed address may not: a digest of the whole
    /// address.
    pub(super) id: Digest,
    /// Its address, such as `module.db.aws_instance.a["x"]`: safe to print, and shortened if very
    /// long.
    pub address: String,
    /// The action on it.
    pub action: PlannedAction,
    /// Whether it is created again only because an earlier apply left it incomplete.
    pub is_tainted: bool,
}

/// A changed output of the root module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// The action on it.
    pub action: PlannedAction,
}

/// The effect of a terraform plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerraformPlan {
    digest: Digest,
    action_counts: ActionCounts,
    changes: Vec<ResourceChange>,
    outputs: Vec<OutputChange>,
    drift_count: usize,
    failing_checks: Vec<String>,
    is_empty: bool,
}

impl TerraformPlan {
    /// Reads the output of `terraform show -json` for a saved plan. Fails if the plan is too large,
    /// incomplete, in an unknown format, or has an unknown action.
    pub fn parse(json: &[u8]) -> Result<Self, TerraformError> {
        if json.len() > MAX_JSON_BYTES {
            return Err(TerraformError::TooLarge(json.len()));
        }
        let shown: PlanJson = serde_json::from_slice(json)?;
        if shown.format_version.split('.').next() != Some("1") {
            return Err(TerraformError::Format(sanitize_name(&shown.format_version)));
        }
        if shown.errored {
            return Err(TerraformError::Errored);
        }
        if shown.complete == Some(false) || !shown.deferred_changes.is_empty() {
            return Err(TerraformError::Incomplete);
        }
        let (mut counts, mut changes) = (ActionCounts::default(), Vec::new());
        for resource in &shown.resource_changes {
            let address = resource.address();
            let mut action = parse_action(&address, &resource.change)?;
            if resource.change.importing.is_some() {
                counts.import += 1;
                action = action.or(Some(PlannedAction::Import));
            }
            if resource.previous_address.is_some() {
                action = action.or(Some(PlannedAction::Move));
            }
            if let Some(action) = action {
                counts.add_action(action);
                let is_tainted =
                    resource.action_reason.as_deref() == Some("replace_because_tainted");
                changes.push(ResourceChange {
                    id: resource.id(),
                    address,
                    action,
                    is_tainted,
                });
            }
        }
        let mut outputs = Vec::new();
        for (name, change) in &shown.output_changes {
            let name = sanitize_name(name);
            if let Some(action) = parse_action(&name, change)? {
                outputs.push(OutputChange { name, action });
            }
        }
        // Terraform may have more to apply than is listed here. Versions before 1.8 do not set
        // `applyable`.
        let lists_nothing =
            changes.is_empty() && outputs.is_empty() && shown.action_invocations.is_empty();
        let is_empty = lists_nothing && !shown.applyable.unwrap_or(false);
        Ok(Self {
            digest: compute_digest(json),
            action_counts: counts,
            changes,
            outputs,
            drift_count: shown.resource_drift.len(),
            failing_checks: shown.list_failing_checks(),
            is_empty,
        })
    }

    /// Returns the digest that approvals bind. Two plans with the same effect on the same state
    /// have the same digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the number of resources per action.
    pub fn action_counts(&self) -> ActionCounts {
        self.action_counts
    }

    /// Returns the affected resources, in terraform's order.
    pub fn changes(&self) -> &[ResourceChange] {
        &self.changes
    }

    /// Returns the changed outputs by name. Other components may read them.
    pub fn outputs(&self) -> &[OutputChange] {
        &self.outputs
    }

    /// Returns the number of resources that were changed outside of terraform.
    pub fn drift_count(&self) -> usize {
        self.drift_count
    }

    /// Returns the addresses of the checks that fail, such as `check.health`. Terraform only warns
    /// about a failing `check` block, and applies the plan nevertheless.
    pub fn failing_checks(&self) -> &[String] {
        &self.failing_checks
    }

    /// Returns whether applying the plan changes nothing, like exit code 0 of
    /// `terraform plan -detailed-exitcode`: changed outputs count, drift alone does not.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Returns whether the plan destroys anything, including replacements.
    #[cfg(any(test, feature = "testing"))]
    pub fn destroys(&self) -> bool {
        self.action_counts.destroy > 0
    }

    /// Returns whether any output changes, which other components may read.
    pub fn changes_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Applies `mask` to each address and name, since a key of `for_each` may contain a secret.
    #[must_use]
    pub fn mask_names(mut self, mask: &dyn Fn(&str) -> String) -> Self {
        self.changes
            .iter_mut()
            .for_each(|change| change.address = sanitize_name(&mask(&change.address)));
        self.outputs
            .iter_mut()
            .for_each(|output| output.name = sanitize_name(&mask(&output.name)));
        self.failing_checks
            .iter_mut()
            .for_each(|address| *address = sanitize_name(&mask(address)));
        self
    }
}

/// The fields that are read from the JSON. Older versions of terraform omit some of them.
#[derive(Deserialize)]
struct PlanJson {
    format_version: String,
    applyable: Option<bool>,
    complete: Option<bool>,
    #[serde(default)]
    errored: bool,
    #[serde(default)]
    resource_changes: Vec<ResourceChangeJson>,
    #[serde(default)]
    resource_drift: Vec<IgnoredAny>,
    #[serde(default)]
    output_changes: BTreeMap<String, ActionsJson>,
    #[serde(default)]
    deferred_changes: Vec<IgnoredAny>,
    #[serde(default)]
    action_invocations: Vec<IgnoredAny>,
    #[serde(default)]
    checks: Vec<CheckJson>,
}

impl PlanJson {
    fn list_failing_checks(&self) -> Vec<String> {
        let is_failing = |check: &&CheckJson| matches!(&check.status[..], "fail" | "error");
        let failing = self.checks.iter().filter(is_failing);
        failing
            .map(|check| sanitize_name(&check.address.to_display))
            .collect()
    }
}

/// A condition of the configuration. Its message, which may contain values, is not read.
#[derive(Deserialize)]
struct CheckJson {
    address: CheckAddressJson,
    status: String,
}

#[derive(Deserialize)]
struct CheckAddressJson {
    to_display: String,
}

#[derive(Deserialize)]
struct ResourceChangeJson {
    address: String,
    previous_address: Option<IgnoredAny>,
    deposed: Option<String>,
    action_reason: Option<String>,
    change: ActionsJson,
}

#[derive(Deserialize)]
struct ActionsJson {
    actions: Vec<String>,
    importing: Option<IgnoredAny>,
}

impl ResourceChangeJson {
    /// Returns the digest of the address and, of a deposed object, its key.
    fn id(&self) -> Digest {
        let deposed = self.deposed.as_deref().unwrap_or_default();
        Digest::sha256(format!("{}\0{deposed}", self.address).as_bytes())
    }

    /// Returns the address. For a deposed object, which was replaced and still exists, it names
    /// that object as terraform does.
    fn address(&self) -> String {
        match &self.deposed {
            Some(key) => format!(
                "{} (deposed object {})",
                sanitize_name(&self.address),
                sanitize_name(key)
            ),
            None => sanitize_name(&self.address),
        }
    }
}

/// Returns the action for the JSON's list of words, or `None` for `no-op`. Fails for an unknown
/// list.
fn parse_action(name: &str, change: &ActionsJson) -> Result<Option<PlannedAction>, TerraformError> {
    let words: Vec<&str> = change.actions.iter().map(String::as_str).collect();
    Ok(Some(match words[..] {
        ["no-op"] => return Ok(None),
        ["create"] => PlannedAction::Create,
        ["update"] => PlannedAction::Update,
        ["delete", "create"] | ["create", "delete"] => PlannedAction::Replace,
        ["create", "forget"] | ["forget", "create"] => PlannedAction::CreateAndForget,
        ["delete"] => PlannedAction::Destroy,
        ["forget"] => PlannedAction::Forget,
        ["read"] => PlannedAction::Read,
        _ => {
            let actions = words
                .iter()
                .take(4)
                .map(|word| sanitize_name(word))
                .collect();
            return Err(TerraformError::Action {
                address: name.to_owned(),
                actions,
            });
        }
    }))
}

/// Sanitizes and shortens an untrusted name.
fn sanitize_name(name: &str) -> String {
    let end = name
        .char_indices()
        .nth(MAX_NAME_CHARS)
        .map_or(name.len(), |(at, _)| at);
    let more = if end < name.len() { "…" } else { "" };
    format!("{}{more}", sanitize(&name[..end]))
}
