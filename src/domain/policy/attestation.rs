//! Attestations: which ones a commit needs, whose attestations count, and who may register builds
//! and artifacts.

use std::collections::BTreeMap;

use super::forms::{MEMBERS, NAME, PREDICATE};
use super::people::Members;
use super::predicate::PredicateType;
use super::reader::TomlValue;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::policy_table;
use crate::domain::name::{EnvName, Label};

/// The largest number of types in `[checks]`.
const MAX_TYPES: usize = 200;

policy_table! {
    /// An attestation that a commit must have.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RequiredCheck, read with (key, roster: &Roster);

    keys {
        /// The type of the attestation: one of in-toto's short names, or a full predicate type URI.
        pub predicate_type as "type": PredicateType {
            form: ValueForm::Text(&PREDICATE),
            example: "\"test-result\"",
            required: key.parse(),
        }
        /// Count only attestations of this suite.
        pub suite: Option<Label> {
            form: ValueForm::Text(&NAME),
            example: "\"e2e\"",
            read: key.parse(),
        }
        /// Count only attestations about the commit in this environment.
        pub environment: Option<EnvName> {
            form: ValueForm::Text(&NAME),
            example: "\"stage\"",
            read: key.parse(),
        }
        /// Count only attestations that these people or machines signed. They must also be listed
        /// for the type under `[checks]`, if there is such a table.
        pub by: Option<Members> {
            form: MEMBERS,
            example: "\"ci\"",
            default: "everyone that `[checks]` accepts for the type",
            read: key.read(|value| roster.members(value)),
        }
    }
}

/// Reads an item of an environment's `checks`: a type, or a table.
pub(super) fn read_required_check(value: &TomlValue<'_>, roster: &Roster) -> Option<RequiredCheck> {
    if value.is_table() {
        return RequiredCheck::read(&value.fields(&RequiredCheck::TABLE), roster);
    }
    Some(RequiredCheck {
        predicate_type: value.parse()?,
        suite: None,
        environment: None,
        by: None,
    })
}

policy_table! {
    /// `[checks]`: whose attestations of a type count.
    pub(super) struct AcceptedSigners, read with (key, roster: &Roster);

    keys {
        /// Whose attestations of this type count.
        by: Members {
            form: MEMBERS,
            example: "\"ci\"",
            used_as: "may_attest",
            required: key.read(|value| roster.members(value)),
        }
    }
}

/// Reads `[checks]`: the accepted signers of each type.
pub(super) fn read_accepted_signers(
    value: &TomlValue<'_>,
    roster: &Roster,
) -> BTreeMap<PredicateType, Members> {
    let mut accepted = BTreeMap::new();
    for entry in value.named_values(MAX_TYPES) {
        let signers = AcceptedSigners::read(&entry.value.fields(&AcceptedSigners::TABLE), roster);
        // An invalid list is already reported. Everyone is accepted instead, so that checks that
        // depend on the list report no further errors.
        let by = signers.map_or_else(|| roster.everyone.clone(), |signers| signers.by);
        if let Some(predicate_type) = entry.parse_name::<PredicateType>()
            && accepted.insert(predicate_type, by).is_some()
        {
            entry.report(
                "this type is listed twice, by its short name and by its URI",
                None,
            );
        }
    }
    accepted
}

policy_table! {
    /// `[artifacts]`: whose builds and artifacts count.
    pub(super) struct ArtifactRules, read with (key, roster: &Roster);

    keys {
        /// Whose builds and artifacts count.
        pub(super) by: Members {
            form: MEMBERS,
            example: "\"ci\"",
            default: "everyone listed under `[people]`",
            used_as: "artifacts",
            read: key.read(|value| roster.members(value))
                .unwrap_or_else(|| roster.everyone.clone()),
        }
    }
}
