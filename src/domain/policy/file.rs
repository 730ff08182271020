//! [`Policy`]: `deploy.toml` as a whole, with the keys at its top.

use std::collections::{BTreeMap, BTreeSet};

use super::admin::{AdminRules, UnownedPaths};
use super::attestation::{AcceptedSigners, ArtifactRules, read_accepted_signers};
use super::component::{Component, PATH, read_components, read_paths, sole_component};
use super::environment::Environment;
use super::forms::{NAME, PREDICATE};
use super::notify::NOTIFY;
use super::paths::Paths;
use super::people::{KeyStatus, Members, PERSON, PersonSpec};
use super::predicate::PredicateType;
use super::reader::TomlValue;
use super::roster::Roster;
use super::table::{TextForm, ValueForm};
use super::table_macros::policy_table;
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, GroupName, Person, ProjectName};

/// An environment, or a pattern of ephemeral ones.
const ENVIRONMENT_NAME: TextForm =
    TextForm::new("name or pattern", r"^[a-z0-9][a-z0-9._-]{0,62}(-\*)?$");

policy_table! {
    /// A validated policy.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Policy, read with (key, context: FileContext<'_>);

    fields {
        /// `[environments."<prefix>-*"]`, by prefix: patterns of ephemeral environments.
        pub patterns: BTreeMap<EnvName, Environment> = context.patterns;
        /// Each key, current or retired, with its one owner.
        pub(super) keys: BTreeMap<PublicKey, (Person, KeyStatus)> = context.roster.keys.clone();
        /// Each address, in ASCII lower case, with its one owner.
        pub(super) emails: BTreeMap<String, Person> = context.roster.emails.clone();
    }

    keys {
        /// The version of the file's format.
        _schema as "schema": u32 {
            form: ValueForm::Number(1, 1),
            example: "1",
            used_as: "parse",
            required: key.number(), hint: "begin the file with schema = 1",
        }
        /// The project's name. It never changes.
        pub project: ProjectName {
            form: ValueForm::Text(&NAME),
            example: "\"catalogue\"",
            required: context.project.clone(), hint: "add project = \"NAME\" (it never changes)",
        }
        /// All people and machines with a key, by name. Write a table, or just the public key. A
        /// key or an e-mail address can belong to one of them only.
        pub people: BTreeMap<Person, PersonSpec> {
            form: ValueForm::Named(&NAME, &PERSON),
            example: "{ alice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\" }",
            required: Some(context.roster.people.clone()),
            hint: "add [people] with a line such as alice = \"RW…\", the second line of her minisign .pub file",
        }
        /// Groups of people. A rule can name a group instead of a person, so a group and a person
        /// cannot have the same name. A group cannot contain a group.
        pub groups: BTreeMap<GroupName, BTreeSet<Person>> {
            form: ValueForm::Named(&NAME, &ValueForm::OneOrMore(&ValueForm::Text(&NAME))),
            example: "{ release = [\"alice\"] }",
            used_as: "contains",
            read: context.roster.groups.clone(),
        }
        /// Who may change this file.
        pub admin_rules as "policy": AdminRules {
            form: ValueForm::Table(&AdminRules::TABLE),
            example: "{ admins = \"alice\" }",
            read: key
                .read(|value| AdminRules::read(&value.fields(&AdminRules::TABLE), context.roster))
                .unwrap_or_else(AdminRules::absent),
        }
        /// The environments, by name. A name such as `"pr-*"` (a literal prefix, a dash and a star)
        /// is a pattern of ephemeral environments. It must not match the name of another
        /// environment.
        pub environments: BTreeMap<EnvName, Environment> {
            form: ValueForm::Named(&ENVIRONMENT_NAME, &ValueForm::Table(&Environment::TABLE)),
            example: "{ dev = {}, prod = { promote_from = \"dev\" } }",
            used_as: "environment",
            read: context.environments,
        }
        /// The parts of the repository that are deployed on their own, by name. The name `rest` is
        /// reserved for the paths that no component owns.
        pub components: BTreeMap<ComponentName, Component> {
            form: ValueForm::Named(&NAME, &ValueForm::Table(&Component::TABLE)),
            example: "{ api = { paths = \"api/**\" } }",
            default: "one component with the project's name that is the whole tree",
            read: key.value().map_or_else(
                || sole_component(context.project.as_ref(), context.root),
                |value| read_components(&value),
            ),
        }
        /// Files that belong to every component, such as the lock files at the root or a folder of
        /// tools. They are part of each component's content and checkout.
        pub shared: Option<Paths> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&PATH)),
            example: "[\"package.json\", \"pnpm-lock.yaml\", \"tools/**\"]",
            default: "none",
            read: key.read(read_paths),
        }
        /// Whose attestations count, by type: one of in-toto's short names, or a full predicate
        /// type URI. Attestations of a type that is not listed do not count.
        pub checks: Option<BTreeMap<PredicateType, Members>> {
            form: ValueForm::Named(&PREDICATE, &ValueForm::Table(&AcceptedSigners::TABLE)),
            example: "{ test-result = { by = \"alice\" } }",
            default: "attestations of every type count, by everyone listed under `[people]`",
            used_as: "may_attest",
            read: key.value().map(|value| read_accepted_signers(&value, context.roster)),
        }
        /// Whose builds and artifacts count.
        pub artifacts: Members {
            form: ValueForm::Table(&ArtifactRules::TABLE),
            example: "{ by = \"alice\" }",
            default: "everyone listed under `[people]`",
            read: key
                .read(|value| ArtifactRules::read(&value.fields(&ArtifactRules::TABLE), context.roster))
                .map_or_else(|| context.roster.everyone.clone(), |table| table.by),
        }
        /// How paths that no component owns are treated: as a component `rest` that is gated like
        /// the others (`gated`), or without any gate (`free`).
        pub unowned: UnownedPaths {
            form: ValueForm::Words(UnownedPaths::NAMES),
            example: "\"free\"",
            default: "`\"gated\"`",
            used_as: "has_rest",
            read: key.word().unwrap_or(UnownedPaths::Gated),
        }
        /// Who is notified about deployments to every environment without its own `notify`. Write a
        /// table, or just a command.
        _notify as "notify": () {
            form: NOTIFY,
            example: "\"make announce\"",
            used_as: "notify",
            read: (),
        }
    }
}

/// The parts of the file that are read before the policy is built.
pub(super) struct FileContext<'a> {
    pub(super) root: &'a TomlValue<'a>,
    pub(super) project: Option<ProjectName>,
    pub(super) roster: &'a Roster,
    pub(super) environments: BTreeMap<EnvName, Environment>,
    pub(super) patterns: BTreeMap<EnvName, Environment>,
}
