//! Summarizes the entries of the ledger `evidence` for `git deploy show`.

use crate::domain::entry::{
    Action, Attestation, AttestationResult, BuildResult, StoredEntry, Tone,
};
use crate::domain::id::EntryId;
use crate::view::attestation_text;
use crate::view::show::EvidenceRow;

/// A summary of one piece of evidence.
struct Summary {
    verb: &'static str,
    /// Whether it counts in favour of the commit.
    positive: bool,
    detail: String,
}

/// Summarizes an entry of the ledger `evidence` in one row. Actions without a summary of their own
/// use that of the log.
pub(super) fn summarize_evidence(id: EntryId, entry: &StoredEntry) -> EvidenceRow {
    let statement = &entry.statement;
    let Summary {
        verb,
        positive,
        detail,
    } = summarize_action(&statement.action);
    EvidenceRow {
        what: verb,
        positive,
        detail,
        by: statement.by.clone(),
        at: statement.at,
        entry: id,
    }
}

fn summarize_action(action: &Action) -> Summary {
    match action {
        Action::Build(build) => {
            let positive = build.result == BuildResult::Succeeded;
            Summary {
                verb: "built",
                positive,
                detail: if positive {
                    build.component.to_string()
                } else {
                    format!("{} failed", build.component)
                },
            }
        }
        Action::Artifact(artifact) => {
            let digest = &artifact.image.digest;
            let short = digest.hex().get(..6).unwrap_or_default();
            Summary {
                verb: "built",
                positive: true,
                detail: format!(
                    "{} {}@{}:{short}…",
                    artifact.component,
                    artifact.image.name,
                    digest.algorithm().name()
                ),
            }
        }
        Action::Attestation(attestation) => summarize_attestation(attestation),
        Action::Yank(yank) => Summary {
            verb: "yanked",
            positive: false,
            detail: format!("\"{}\"", yank.reason),
        },
        Action::Unyank(unyank) => Summary {
            verb: "unyanked",
            positive: true,
            detail: format!("\"{}\"", unyank.0.reason),
        },
        other => {
            let text = other.body().log();
            Summary {
                verb: text.verb,
                positive: text.tone != Tone::Bad,
                detail: text.object,
            }
        }
    }
}

fn summarize_attestation(attestation: &Attestation) -> Summary {
    let predicate_type = attestation.short_type();
    let suite = attestation
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" {suite}"));
    let environment = attestation
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" in {environment}"));
    let outcome = attestation_text::format_outcome(attestation);
    Summary {
        verb: match predicate_type {
            "test-result" => "tested",
            "change-review" => "reviewed",
            _ => "attested",
        },
        positive: attestation.result() == AttestationResult::Passed,
        detail: format!("{predicate_type}{suite} {outcome}{environment}"),
    }
}
