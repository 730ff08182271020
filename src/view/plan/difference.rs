//! The differences between the plans of two runs, for people who approved the earlier plans. The
//! earlier plans are read from a document `git-deploy/plan/v1`.
//!
//! The digests decide whether plans differ. The texts only explain the difference: two plans with
//! the same effect may be printed in another order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::component::{ComponentPlan, clean_output, describe_warnings};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::sanitize;
use crate::view::json::schema_name;

/// The maximum size of an earlier document in bytes.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;
/// Texts with more lines are not compared: this takes too long, and the result is too long to read.
const MAX_COMPARED_LINES: usize = 5_000;

/// Why plans cannot be compared with an earlier document.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The document is too large.
    #[error("it has {0} bytes; at most {MAX_DOCUMENT_BYTES} are read")]
    TooLarge(usize),
    /// The document is not of this format.
    #[error("it is not a document of the kind git-deploy/plan/v1: {0}")]
    Json(#[from] serde_json::Error),
    /// A document of another kind.
    #[error("it is a document of the kind {0:?}, not git-deploy/plan/v1")]
    Kind(String),
    /// Plans for another environment.
    #[error("its plans are for {0}")]
    Environment(EnvName),
}

/// How the plans differ from earlier ones.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanComparison {
    /// The commit of the earlier plans.
    pub commit: CommitId,
    /// The components with different plans; empty if all plans are the same.
    pub differences: Vec<PlanDifference>,
}

/// How the plan of a component differs from the earlier one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanDifference {
    /// The component.
    pub component: ComponentName,
    /// The kind of difference.
    pub kind: DifferenceKind,
    /// The digest of the earlier plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// The digest of the new plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
    /// The difference of the texts as a unified diff; empty if the texts are equal, as when only
    /// hidden values differ.
    pub diff: String,
}

/// How a plan differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DifferenceKind {
    /// There was no plan before.
    Appeared,
    /// There is no plan any more.
    Vanished,
    /// The plan is a different one.
    Changed,
}

/// The fields that are read from an earlier document.
#[derive(Deserialize)]
struct EarlierDocument {
    environment: EnvName,
    commit: CommitId,
    components: Vec<EarlierComponent>,
}

/// The schema of a document, read before anything else.
#[derive(Deserialize)]
struct SchemaHeader {
    schema: String,
}

/// One component of an earlier document.
#[derive(Deserialize)]
struct EarlierComponent {
    component: ComponentName,
    digest: Option<Digest>,
    #[serde(default)]
    output: String,
    terraform: Option<EarlierTerraform>,
}

/// What is read of an earlier terraform plan.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierTerraform {
    #[serde(default)]
    failing_checks: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// The plans of an earlier document.
pub struct EarlierPlans {
    /// The commit.
    pub commit: CommitId,
    /// The digest of each plan.
    pub digests: BTreeMap<ComponentName, Digest>,
    /// The failing checks and warnings of each plan, safe to print.
    pub warnings: Vec<(ComponentName, String)>,
}

/// Reads the plans in an earlier document for this environment. Fails if the document is too large, or
/// of another kind or environment.
pub fn read_plans(earlier: &[u8], environment: &EnvName) -> Result<EarlierPlans, ComparisonError> {
    let earlier = read_document(earlier, environment)?;
    let mut plans = EarlierPlans {
        commit: earlier.commit,
        digests: BTreeMap::new(),
        warnings: Vec::new(),
    };
    for it in earlier.components {
        if let Some(terraform) = &it.terraform {
            let warnings = describe_warnings(&terraform.failing_checks, &terraform.warnings);
            let warnings = warnings.iter().map(|text| sanitize(text));
            let named = warnings.map(|text| (it.component.clone(), text));
            plans.warnings.extend(named);
        }
        plans
            .digests
            .extend(it.digest.map(|digest| (it.component, digest)));
    }
    Ok(plans)
}

/// Reads an earlier document and checks its kind and environment.
fn read_document(
    earlier: &[u8],
    environment: &EnvName,
) -> Result<EarlierDocument, ComparisonError> {
    if earlier.len() > MAX_DOCUMENT_BYTES {
        return Err(ComparisonError::TooLarge(earlier.len()));
    }
    let header: SchemaHeader = serde_json::from_slice(earlier)?;
    if header.schema != schema_name("plan") {
        return Err(ComparisonError::Kind(
            header.schema.chars().take(80).collect(),
        ));
    }
    let earlier: EarlierDocument = serde_json::from_slice(earlier)?;
    if earlier.environment != *environment {
        return Err(ComparisonError::Environment(earlier.environment));
    }
    Ok(earlier)
}

/// Compares the plans of these components with those of an earlier document for the same
/// environment. Fails if the document is too large, or of another kind or environment.
pub fn compare_plans(
    earlier: &[u8],
    environment: &EnvName,
    components: &[ComponentPlan],
) -> Result<PlanComparison, ComparisonError> {
    let earlier = read_document(earlier, environment)?;
    // The earlier plan of each component and the new one.
    let mut plan_pairs: BTreeMap<&ComponentName, [Option<(&Digest, String)>; 2]> = BTreeMap::new();
    for it in &earlier.components {
        if let Some(digest) = &it.digest {
            plan_pairs.entry(&it.component).or_default()[0] =
                Some((digest, clean_output(&it.output)));
        }
    }
    for it in components {
        if let Some(digest) = &it.digest {
            plan_pairs.entry(&it.component).or_default()[1] =
                Some((digest, it.output.clone().unwrap_or_default()));
        }
    }
    let differences = plan_pairs
        .into_iter()
        .filter_map(|(component, [old, new])| {
            let kind = match (&old, &new) {
                (Some((old, _)), Some((new, _))) if old == new => return None,
                (Some(_), Some(_)) => DifferenceKind::Changed,
                (None, _) => DifferenceKind::Appeared,
                (_, None) => DifferenceKind::Vanished,
            };
            let text = |it: &Option<(&Digest, String)>| {
                it.as_ref()
                    .map(|(_, text)| text.clone())
                    .unwrap_or_default()
            };
            let digest =
                |it: &Option<(&Digest, String)>| it.as_ref().map(|(digest, _)| (*digest).clone());
            let diff = if kind == DifferenceKind::Changed {
                render_unified_diff(&text(&old), &text(&new))
            } else {
                String::new()
            };
            Some(PlanDifference {
                component: component.clone(),
                kind,
                from: digest(&old),
                to: digest(&new),
                diff,
            })
        });
    Ok(PlanComparison {
        commit: earlier.commit,
        differences: differences.collect(),
    })
}

/// Returns a unified diff of two texts.
fn render_unified_diff(old: &str, new: &str) -> String {
    if [old, new]
        .iter()
        .any(|text| text.lines().count() > MAX_COMPARED_LINES)
    {
        return format!("@@ more than {MAX_COMPARED_LINES} lines, which are not compared @@\n");
    }
    TextDiff::from_lines(old, new)
        .unified_diff()
        .header("earlier", "now")
        .to_string()
}
