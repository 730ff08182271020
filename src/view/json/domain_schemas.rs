//! The JSON schemas of the types in `domain`: their patterns, values and descriptions.
//!
//! They are here because `domain` must not depend on the format of documents.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::domain::address::Address;
use crate::domain::email::Email;
use crate::domain::entry::{CommandStep, DeploymentKind, Outcome, VerificationResult};
use crate::domain::id::{CommitId, Digest, EntryId, PublicKey, RunId};
use crate::domain::name::{
    ComponentName, EnvName, Label, LedgerName, MAX_LEN, Person, ProjectName,
};
use crate::domain::plan::PlannedAction;
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, CheckResult, Decision, Rule};

/// Implements the schema of types that are written as a string, from a pattern and a description.
macro_rules! strings {
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

strings! {
    EnvName, name_pattern(), "The name of an environment, such as `prod` or `pr-17`.";
    ComponentName, name_pattern(), "The name of a component; `rest` stands for the files that no component owns.";
    Person, name_pattern(), "A person or a machine, by the name in the policy.";
    Label, name_pattern(), "The name of a release, a label or a CI system.";
    Address, "^(https|http|ssh|git)://[^@\\s]+$", "An address without a user name or a password.";
    Email, "^[^@\\s<>]+@[^\\s<>]+$", "An e-mail address.";
    LedgerName, name_pattern(), "A ledger: `policy`, `evidence`, an environment, or the prefix of a pattern.";
    ProjectName, name_pattern(), "The name of the project.";
    CommitId, OID_PATTERN, "The full id of a commit of the code.";
    EntryId, OID_PATTERN, "The full id of a commit of a ledger.";
    Digest, "^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$", "An algorithm and a digest.";
    RunId, "^[0-9a-f]{32}$", "The id of a run: one attempt to execute a deployment.";
    PublicKey, "^RW[A-Za-z0-9+/]{54}$", "A minisign public key, as in the second line of its `.pub` file.";
    Time, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", "RFC 3339, in UTC and whole seconds.";
    Rule, "^[a-z][a-z -]*$", "A rule: `authorization`, `approvals`, `soak`, …";
    Line, "^[^\\n]+$", "A text of one line.";
    Description, "^\\S", "A text of one or more lines.";
}

/// Implements the schema of enums, with a description for each value. A missing variant does not
/// compile, and the spelling comes from `serde`.
macro_rules! enums {
    ($($type:ident = $name:literal, $about:literal: { $($variant:ident => $meaning:literal,)+ })+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let meaning = |word: $type| match word { $($type::$variant => $meaning,)+ };
                let values = [$($type::$variant,)+];
                let one_of = values.map(|word| serde_json::json!({ "const": word, "description": meaning(word) }));
                json_schema!({ "type": "string", "description": $about, "oneOf": one_of })
            }
        })+
    };
}

enums! {
    DeploymentKind = "DeploymentKind", "The kind of a deployment, which decides the rules that it faces.": {
        Deploy => "New code.",
        Rollback => "A good release that ran in the environment before.",
        Hotfix => "A fix on top of the running commit.",
        Destroy => "A whole ephemeral environment is destroyed.",
        Exec => "A one-off command in the environment.",
    }
    CommandStep = "CommandStep", "The part of a run that a command belongs to.": {
        Apply => "It deployed the component.",
        Verify => "It checked the deployed component.",
        Destroy => "It removed the component.",
        Rollback => "It deployed the last good release again.",
        VerifyRollback => "It checked that release.",
        Exec => "It is the command of an `exec`.",
    }
    Outcome = "Outcome", "The result of a deployment for a component.": {
        Succeeded => "The component runs the new content.",
        Failed => "It failed and was left as it was.",
        Skipped => "It was not attempted.",
        RolledBack => "It failed, and the previous content runs again.",
        Destroyed => "It was destroyed.",
        Executed => "A one-off command ran with it.",
    }
    CheckResult = "RuleOutcome", "The answer of a rule.": {
        Pass => "The rule is satisfied.",
        Fail => "The rule is violated.",
        Unknown => "A fact that the rule needs is missing.",
    }
    Decision = "Decision", "The decision that follows from the answers of all rules.": {
        Allowed => "Every rule passes.",
        Refused => "A rule is violated.",
        CannotTell => "No rule is violated, and at least one lacks a fact; then nothing is accepted.",
    }
    PlannedAction = "PlannedAction", "What a plan does with a resource or an output.": {
        Create => "It is created.",
        Update => "It is changed in place.",
        Replace => "It is destroyed and created again, in either order.",
        CreateAndForget => "A new one is created; the old one remains, and terraform no longer manages it.",
        Destroy => "It is destroyed.",
        Forget => "It remains, and terraform no longer manages it.",
        Read => "It is read while the plan is applied.",
        Import => "It exists already, and terraform begins to manage it without another change.",
        Move => "Its address changes, and nothing else.",
    }
    VerificationResult = "VerificationResult", "The result of verifying a running component.": {
        Passed => "The verification passed.",
        Failed => "The verification failed.",
        None => "There was no verification.",
    }
}

impl JsonSchema for Check {
    fn schema_name() -> Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut rule = generator.subschema_for::<Rule>();
        rule.insert("description".into(), "The rule that answers.".into());
        let mut outcome = generator.subschema_for::<CheckResult>();
        outcome.insert("description".into(), "Its answer.".into());
        let person = generator.subschema_for::<Person>();
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
                "remedyBy": {
                    "type": "array",
                    "items": person,
                    "description": "Who can type that command; absent if the signer can.",
                },
            },
            "required": ["rule", "outcome", "detail"],
        })
    }
}
