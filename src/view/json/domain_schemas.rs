//! The JSON schemas of the types in `domain`: their patterns, words and descriptions.
//!
//! They are here because `domain` does not depend on documents.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::domain::entry::{DeploymentKind, Intent, Outcome, VerificationResult};
use crate::domain::id::{CommitId, Digest, EntryId, PublicKey, RunId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, MAX_LEN, Person, ProjectName};
use crate::domain::plan::PlannedAction;
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Decision, Outcome as RuleOutcome, Rule};

/// Implements the schema of types that are written as a string, from a pattern and a description.
macro_rules! text {
    ($($type:ident, $pattern:expr, $meaning:literal;)+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $meaning })
            }
        })+
    };
}

/// The id of an object: SHA-1 or SHA-256.
const OID_PATTERN: &str = "^([0-9a-f]{40}|[0-9a-f]{64})$";

/// Returns the pattern of names. It does not cover endings that git refuses in refs.
fn name_pattern() -> String {
    format!("^[a-z0-9][a-z0-9._-]{{0,{}}}$", MAX_LEN - 1)
}

text! {
    EnvName, name_pattern(), "The name of an environment, such as `prod` or `pr-17`.";
    ComponentName, name_pattern(), "The name of a component; `rest` is what no component owns.";
    Person, name_pattern(), "A person or a machine, by the name in the policy.";
    LedgerName, name_pattern(), "A ledger: `policy`, `evidence`, an environment, or the prefix of a pattern.";
    ProjectName, name_pattern(), "The name of the project.";
    CommitId, OID_PATTERN, "The full id of a commit of the code.";
    EntryId, OID_PATTERN, "The full id of a commit of a ledger.";
    Digest, "^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$", "An algorithm and a digest.";
    RunId, "^[0-9a-f]{32}$", "One attempt to carry a deployment out.";
    PublicKey, "^RW[A-Za-z0-9+/]{54}$", "A minisign public key, as in the second line of its `.pub` file.";
    Time, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", "RFC 3339, in UTC and whole seconds.";
    Rule, "^[a-z][a-z -]*$", "A rule: `authorization`, `approvals`, `soak`, …";
    Line, "^[^\\n]+$", "A text of one line.";
    Description, "^\\S", "A text of one or more lines.";
}

/// Implements the schema of enums, with a description for each word. A missing variant does not
/// compile, and the spelling comes from `serde`.
macro_rules! words {
    ($($type:ident = $name:literal, $about:literal: { $($variant:ident => $meaning:literal,)+ })+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let meaning = |word: $type| match word { $($type::$variant => $meaning,)+ };
                let words = [$($type::$variant,)+];
                let one_of = words.map(|word| serde_json::json!({ "const": word, "description": meaning(word) }));
                json_schema!({ "type": "string", "description": $about, "oneOf": one_of })
            }
        })+
    };
}

words! {
    DeploymentKind = "DeploymentKind", "Why a deployment is made, which decides the rules it faces.": {
        Deploy => "New code.",
        Rollback => "Back to what ran well here before.",
        Hotfix => "A repair on top of what runs.",
        Destroy => "A whole ephemeral environment is taken down.",
        Exec => "A one-off command in the environment.",
    }
    Intent = "Intent", "What is to be done with a component.": {
        Change => "This commit's content is put there.",
        Unchanged => "Its content is there already: it rides along.",
        Destroy => "It is taken away.",
    }
    Outcome = "Outcome", "How it ended for a component.": {
        Succeeded => "The new content runs.",
        Failed => "It failed and was left as it was.",
        Skipped => "It was not attempted.",
        RolledBack => "It failed, and what ran before runs again.",
        Destroyed => "It was taken away.",
        Unchanged => "It rode along.",
    }
    RuleOutcome = "RuleOutcome", "The answer of a rule.": {
        Pass => "The rule is satisfied.",
        Fail => "The rule is violated.",
        Unknown => "A fact that the rule needs is missing.",
    }
    Decision = "Decision", "What follows from the answers of all rules.": {
        Allowed => "Every rule passes.",
        Refused => "A rule is violated.",
        CannotTell => "No rule is violated, and at least one lacks a fact; then nothing is accepted.",
    }
    PlannedAction = "PlannedAction", "What is done with a resource or an output.": {
        Create => "It is made.",
        Update => "It is changed where it is.",
        Replace => "It is destroyed and made anew, in whatever order.",
        CreateAndForget => "It is made anew; the old one stays, and terraform no longer knows it.",
        Destroy => "It is destroyed.",
        Forget => "It stays, and terraform no longer knows it.",
        Read => "It is read while the plan is applied.",
        Import => "It exists, and terraform gets to know it, changing nothing else.",
        Move => "It gets another address, and nothing else changes.",
    }
    VerificationResult = "VerificationResult", "What a check of the running component said.": {
        Passed => "It works.",
        Failed => "It does not.",
        None => "Nobody asked.",
    }
}

impl JsonSchema for Check {
    fn schema_name() -> Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut rule = generator.subschema_for::<Rule>();
        rule.insert("description".into(), "The rule that answers.".into());
        let mut outcome = generator.subschema_for::<RuleOutcome>();
        outcome.insert("description".into(), "Its answer.".into());
        json_schema!({
            "type": "object",
            "description": "The answer of one rule.",
            "properties": {
                "rule": rule,
                "outcome": outcome,
                "detail": {
                    "type": "string",
                    "description": "The reason, in one line; may be empty if the rule passes.",
                },
                "remedy": { "type": "string", "description": "The next command." },
            },
            "required": ["rule", "outcome", "detail"],
        })
    }
}
