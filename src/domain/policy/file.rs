//! `deploy.toml` as a whole: the keys at its top, and how a text becomes a [`Policy`].
//!
//! Broken parts are replaced by defaults while reading goes on; any error at all means that there
//! is no policy.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::admin::{AdminRules, UnownedPaths};
use super::attestation::{AcceptedSigners, ArtifactRules, read_accepted_signers};
use super::component::{Component, read_components, sole_component};
use super::environment::Environment;
use super::environment_tables::read_environments;
use super::error::{ErrorCollector, PolicyErrors};
use super::fields::TableFields;
use super::forms::{NAME, PREDICATE};
use super::notify::{NOTIFY, read_notify};
use super::people::{KeyStatus, Members, PERSON, PersonSpec};
use super::predicate::PredicateType;
use super::reader::TomlValue;
use super::roster::{MAX_PEOPLE, Roster};
use super::table::{TextForm, ValueForm, policy_table};
use super::{MAX_BYTES, check};
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, GroupName, Person, ProjectName};

/// An environment, or a pattern of ephemeral ones.
const ENVIRONMENT_NAME: TextForm =
    TextForm::new("name or pattern", r"^[a-z0-9][a-z0-9._-]{0,62}(-\*)?$");

policy_table! {
    /// A validated policy.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Policy, read with (key, given: FileContext<'_>);

    fields {
        /// `[environments."<prefix>-*"]`, by prefix: patterns of ephemeral environments.
        pub patterns: BTreeMap<EnvName, Environment> = given.patterns;
        /// Each key, current or retired, with its one owner.
        pub(super) keys: BTreeMap<PublicKey, (Person, KeyStatus)> = given.roster.keys.clone();
        /// Each address, in ASCII lower case, with its one owner.
        pub(super) emails: BTreeMap<String, Person> = given.roster.emails.clone();
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
            required: given.project.clone(), hint: "add project = \"NAME\" (it never changes)",
        }
        /// Everyone with a key, by name: persons and machines. A key may stand for the table. A
        /// key, an address and a name each belong to one person only.
        pub people: BTreeMap<Person, PersonSpec> {
            form: ValueForm::Named(&NAME, &PERSON),
            example: "{ alice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\" }",
            required: Some(given.roster.people.clone()),
            hint: "add [people] with a line such as alice = \"RW…\", the second line of her minisign .pub file",
        }
        /// Groups of people, which rules can name like a person. People and groups share one name
        /// space. A group cannot contain a group.
        pub groups: BTreeMap<GroupName, BTreeSet<Person>> {
            form: ValueForm::Named(&NAME, &ValueForm::OneOrMore(&ValueForm::Text(&NAME))),
            example: "{ release = [\"alice\"] }",
            used_as: "contains",
            read: given.roster.groups.clone(),
        }
        /// Who may change this file.
        pub admin_rules as "policy": AdminRules {
            form: ValueForm::Table(&AdminRules::TABLE),
            example: "{ admins = \"alice\" }",
            read: key
                .read(|value| AdminRules::read(&value.fields(&AdminRules::TABLE), given.roster))
                .unwrap_or_else(AdminRules::absent),
        }
        /// The environments, by name. A name such as `"pr-*"` (a literal prefix, a dash and a star)
        /// is a pattern of ephemeral environments. It must not match the name of another
        /// environment.
        pub environments: BTreeMap<EnvName, Environment> {
            form: ValueForm::Named(&ENVIRONMENT_NAME, &ValueForm::Table(&Environment::TABLE)),
            example: "{ dev = {}, prod = { promote_from = \"dev\" } }",
            used_as: "environment",
            read: given.environments,
        }
        /// The parts of the repository that are deployed on their own, by name. The name `rest` is
        /// reserved for the paths that no component owns.
        pub components: BTreeMap<ComponentName, Component> {
            form: ValueForm::Named(&NAME, &ValueForm::Table(&Component::TABLE)),
            example: "{ api = { paths = \"api/**\" } }",
            default: "one component with the project's name that is the whole tree",
            read: key.value().map_or_else(
                || sole_component(given.project.as_ref(), given.root),
                |value| read_components(&value),
            ),
        }
        /// Whose attestations count, by type: one of in-toto's short names, or a full predicate
        /// type URI. Attestations of a type that is not listed do not count.
        pub checks: Option<BTreeMap<PredicateType, Members>> {
            form: ValueForm::Named(&PREDICATE, &ValueForm::Table(&AcceptedSigners::TABLE)),
            example: "{ test-result = { by = \"alice\" } }",
            default: "attestations of every type count, by everyone listed under `[people]`",
            used_as: "may_attest",
            read: key.value().map(|value| read_accepted_signers(&value, given.roster)),
        }
        /// Whose builds and artifacts count.
        pub artifacts: Members {
            form: ValueForm::Table(&ArtifactRules::TABLE),
            example: "{ by = \"alice\" }",
            default: "everyone listed under `[people]`",
            read: key
                .read(|value| ArtifactRules::read(&value.fields(&ArtifactRules::TABLE), given.roster))
                .map_or_else(|| given.roster.everyone.clone(), |table| table.by),
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
        /// Who is notified about deployments to every environment without its own `notify`. A
        /// command may stand for the table.
        _notify as "notify": () {
            form: NOTIFY,
            example: "\"make announce\"",
            used_as: "notify",
            read: (),
        }
    }
}

/// What is read before the policy is put together.
pub(super) struct FileContext<'a> {
    root: &'a TomlValue<'a>,
    project: Option<ProjectName>,
    roster: &'a Roster,
    environments: BTreeMap<EnvName, Environment>,
    patterns: BTreeMap<EnvName, Environment>,
}

/// Reads and validates the text of a `deploy.toml`.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    let errors = ErrorCollector::new(text);
    let policy = parse_toml(text, &errors);
    errors.into_result()?;
    // Without an error there is a policy: whatever prevents one is reported.
    policy.ok_or_else(|| PolicyErrors::single("it contains no policy"))
}

fn parse_toml(text: &str, errors: &ErrorCollector<'_>) -> Option<Policy> {
    if text.len() > MAX_BYTES {
        let length = text.len();
        let message = format!("the file has {length} bytes, at most {MAX_BYTES} are allowed");
        errors.add(None, "", message, None);
        return None;
    }
    let (document, problems) = DeTable::parse_recoverable(text);
    // Only the first: after a broken line, what follows is misread.
    if let Some(problem) = problems.first() {
        let message = problem.message().split(", expected").next();
        let is_marker = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
        let is_merging = text.lines().any(is_marker);
        errors.add(
            problem.span().map(|span| span.start),
            "",
            format!("not valid TOML: {}", message.unwrap_or_default()),
            is_merging.then(|| "resolve the merge conflict in it first".to_owned()),
        );
        return None;
    }
    let document = DeValue::Table(document.into_inner());
    read_document(&TomlValue::root(&document, errors), errors)
}

fn read_document<'a>(root: &'a TomlValue<'a>, errors: &'a ErrorCollector<'a>) -> Option<Policy> {
    check_schema(root)?;
    let fields = root.fields(&Policy::TABLE);
    let roster = read_roster(&fields, errors);
    let notify = fields.key("notify").read(read_notify).unwrap_or_default();
    let (environments, patterns) = read_environments(&fields, &roster, &notify);
    let context = FileContext {
        root,
        project: fields.key("project").parse(),
        roster: &roster,
        environments,
        patterns,
    };
    let policy = Policy::read(&fields, context)?;
    check::check(&policy, errors);
    Some(policy)
}

/// Refuses a file of another version at once: it may contain keys that are unknown here.
fn check_schema(root: &TomlValue<'_>) -> Option<()> {
    let entries = root.named_values(usize::MAX);
    if let Some(schema) = entries.iter().find(|entry| entry.key == "schema")
        && schema.value.number(1, u32::MAX)? != 1
    {
        let hint = "install a newer git-deploy".to_owned();
        let message = "this git-deploy knows schema 1 only";
        schema.value.report(message, Some(hint));
        return None;
    }
    Some(())
}

fn read_roster(fields: &TableFields<'_>, errors: &ErrorCollector<'_>) -> Roster {
    let people = fields.key("people");
    let persons = people.named_values(MAX_PEOPLE);
    if let (Some(value), true, true) = (people.value(), persons.is_empty(), errors.is_empty()) {
        let hint = "add a line such as alice = \"RW…\", the second line of her minisign .pub file";
        let message = "no one is listed, so no one could sign anything";
        value.report(message, Some(hint.to_owned()));
    }
    Roster::read(&persons, &fields.key("groups").named_values(MAX_PEOPLE))
}
