//! The policy, `deploy.toml`: who may do what, and what must hold before.
//!
//! A [`Policy`] exists only validated: [`Policy::parse`] is the one way to it, and it reports every mistake at once. All names in
//! it resolve, groups are expanded and defaults filled in, so that the rules need no error of their own for a policy.

mod admin;
mod check;
mod component;
mod environment;
mod environment_order;
mod error;
mod freeze;
mod notify;
mod parse;
mod parse_component;
mod parse_environment;
mod parse_notify;
mod path_index;
mod paths;
mod people;
mod predicate;
mod reader;
mod refname;
pub mod schema;
mod starter;
mod template;
mod version;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

pub use admin::{AdminRules, UnownedPaths};
pub use component::{Component, Secret, ShellCommand, VarName};
pub use environment::{
    ApprovalRequirement, Bind, DeployOn, Enforcement, Environment, Ephemeral, Hotfix, HotfixSkip,
    Manifest, RequiredCheck, Rollback, TagGlob, Trigger,
};
pub use error::{PolicyError, PolicyErrors, suggest_nearest};
pub use freeze::Freeze;
pub use notify::{Notify, NotifyChannel, NotifyEvent, WebhookAddress, WebhookFormat, WebhookUrl};
pub use path_index::{FolderOwners, FolderPosition, PathIndex};
pub use paths::{Coverage, Paths, PathsError, is_shared};
pub use people::{KeyStatus, Members, PersonSpec};
pub use predicate::{PredicateType, PredicateTypeError};
pub use refname::BranchName;
pub use template::{Placeholder, Template, tag_timestamp};
pub use version::{
    VersionError, VersionRule, VersionScheme, VersionSource, VersionTagPattern, compare_versions,
};
pub use zone::Zone;

use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, GroupName, LedgerName, Person, ProjectName};

/// The largest `deploy.toml`, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A validated policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `project`: the project's name, which never changes.
    pub project: ProjectName,
    /// `[people]`: everyone with a key, machines too.
    pub people: BTreeMap<Person, PersonSpec>,
    /// `[groups]`: sets of people; people and groups share one name space.
    pub groups: BTreeMap<GroupName, BTreeSet<Person>>,
    /// `[policy]`: who may change this file.
    pub admin_rules: AdminRules,
    /// `[environments.<name>]`.
    pub environments: BTreeMap<EnvName, Environment>,
    /// `[environments."<prefix>-*"]`, by prefix: ephemeral environments.
    pub patterns: BTreeMap<EnvName, Environment>,
    /// `[components.<name>]`. Without any: one with the project's name that is the whole tree.
    pub components: BTreeMap<ComponentName, Component>,
    /// `[checks]`: who may vouch for what; a type that is not listed counts for nothing. `None` without the table: anyone listed
    /// may vouch for anything.
    pub checks: Option<BTreeMap<PredicateType, Members>>,
    /// `[artifacts] by` (default: everyone listed): who may say what was built.
    pub artifacts: Members,
    /// `unowned` (default `"gated"`): how paths that no component owns are treated.
    pub unowned: UnownedPaths,
    /// Each key, current or retired, with its one owner.
    keys: BTreeMap<PublicKey, (Person, KeyStatus)>,
    /// Each address, in ASCII lower case, with its one owner.
    emails: BTreeMap<String, Person>,
}

impl Policy {
    /// Reads and validates the text of a `deploy.toml`, at most [`MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, PolicyErrors> {
        parse::parse(text)
    }

    /// Reads and validates the bytes of a `deploy.toml` as a repository has them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyErrors> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            PolicyErrors::single(&format!(
                "it is not UTF-8 text: byte {} begins no character",
                error.valid_up_to()
            ))
        })?;
        Self::parse(text)
    }

    /// The `deploy.toml` of a project's first day: the environments promote one into the next, in the order given, and the last asks for an
    /// approval where there is a second person. It parses if no name and no key is given twice.
    pub fn starter(
        project: &ProjectName,
        people: &[(Person, PublicKey)],
        environments: &[EnvName],
    ) -> String {
        starter::starter(project, people, environments)
    }

    /// The rules of an environment: its own, or those of the pattern that it is of (`pr-17` of `pr-*`).
    pub fn environment(&self, name: &EnvName) -> Option<&Environment> {
        self.environments.get(name).or_else(|| {
            // Patterns are disjoint, so at most one prefix fits.
            let dashes = name.as_str().match_indices('-').map(|(index, _)| index);
            dashes
                .filter(|index| index + 1 < name.as_str().len())
                .find_map(|index| self.patterns.get(name.as_str().get(..index)?))
        })
    }

    /// The ledger of an environment: its own, or its pattern's.
    pub fn ledger_of(&self, name: &EnvName) -> Option<LedgerName> {
        self.environment(name)
            .map(|environment| environment.ledger.clone())
    }

    /// The environment or pattern whose ledger this is; `None` for an unknown one, `policy` and `evidence`.
    pub fn environment_of_ledger(&self, ledger: &LedgerName) -> Option<&Environment> {
        self.environments
            .get(ledger.as_str())
            .or_else(|| self.patterns.get(ledger.as_str()))
    }

    /// The ledgers of all environments and patterns.
    pub fn ledgers(&self) -> BTreeSet<LedgerName> {
        self.all_environments()
            .map(|environment| environment.ledger.clone())
            .collect()
    }

    /// All environments, then all patterns.
    pub fn all_environments(&self) -> impl Iterator<Item = &Environment> {
        self.environments.values().chain(self.patterns.values())
    }

    /// Whose key this is, by its 32 bytes, and whether it may still sign.
    pub fn person_of_key(&self, key: &PublicKey) -> Option<(&Person, KeyStatus)> {
        self.keys
            .get(key)
            .map(|(person, standing)| (person, *standing))
    }

    /// Whose e-mail address this is, without regard to ASCII case; the bytes are as a commit has them.
    pub fn person_of_email(&self, address: &[u8]) -> Option<&Person> {
        self.emails
            .get(&std::str::from_utf8(address).ok()?.to_ascii_lowercase())
    }

    /// Who may publish a policy: `[policy] admins`, or whoever has or had one of the keys that the genesis names.
    pub fn admins(&self, root_keys: &[PublicKey]) -> BTreeSet<Person> {
        match &self.admin_rules.admins {
            Some(admins) => admins.persons().clone(),
            None => root_keys
                .iter()
                .filter_map(|key| Some(self.person_of_key(key)?.0.clone()))
                .collect(),
        }
    }

    /// Whether this is a machine; true for whoever is not listed, so that nobody unknown counts as a person.
    pub fn is_machine(&self, person: &Person) -> bool {
        self.people.get(person).is_none_or(|spec| spec.machine)
    }

    /// Whether an attestation of this type counts when this person signed it.
    pub fn may_attest(&self, person: &Person, predicate_type: &PredicateType) -> bool {
        self.people.contains_key(person)
            && self.checks.as_ref().is_none_or(|checks| {
                checks
                    .get(predicate_type)
                    .is_some_and(|members| members.contains(person))
            })
    }

    /// The environment that a branch, by its short name, stands for.
    pub fn environment_of_branch(&self, branch: &str) -> Option<&Environment> {
        self.environments.values().find(|environment| {
            environment
                .branch
                .as_ref()
                .is_some_and(|own| own.as_str() == branch)
        })
    }

    /// The environment whose branch this is but for capital letters: on some servers' disks the two are one file.
    pub fn environment_of_similar_branch(&self, branch: &str) -> Option<&Environment> {
        let alike = |own: &str| {
            if branch.is_ascii() && own.is_ascii() {
                own.eq_ignore_ascii_case(branch)
            } else {
                fold_case(own) == fold_case(branch)
            }
        };
        let almost = |own: &BranchName| own.as_str() != branch && alike(own.as_str());
        self.environments
            .values()
            .find(|environment| environment.branch.as_ref().is_some_and(almost))
    }

    /// The environments and patterns whose promotion tags include this one, by its short name.
    pub fn environments_of_tag(&self, tag: &str) -> Vec<&Environment> {
        self.all_environments()
            .filter(|environment| environment.claims_tag(tag))
            .collect()
    }

    /// The environment or pattern whose promotion tag this would be but for capital letters.
    pub fn environment_of_similar_tag(&self, tag: &str) -> Option<&Environment> {
        self.all_environments()
            .find(|environment| environment.claims_similar_tag(tag))
    }

    /// A component as declared; `None` for `rest` and unknown ones.
    pub fn component(&self, name: &ComponentName) -> Option<&Component> {
        self.components.get(name)
    }

    /// Whether there is a component `rest`: some path may have no owner, and such paths are gated.
    pub fn has_rest(&self) -> bool {
        self.unowned == UnownedPaths::Gated
            && self
                .components
                .values()
                .all(|component| component.paths.is_some())
    }

    /// The names of all components that are gated: the declared ones, and `rest` where there is one.
    pub fn component_names(&self) -> BTreeSet<ComponentName> {
        self.components
            .keys()
            .cloned()
            .chain(self.has_rest().then(ComponentName::rest))
            .collect()
    }

    /// Whether there is a component of this name, the one for the rest counted.
    pub fn has_component(&self, component: &ComponentName) -> bool {
        self.components.contains_key(component)
            || self.has_rest() && *component == ComponentName::rest()
    }

    /// Whether a file, symbolic link or submodule at this path belongs to the component, declared or `rest`; never to an unknown one.
    pub fn owns(&self, component: &ComponentName, path: &[u8]) -> bool {
        match self.components.get(component) {
            Some(declared) => declared.owns(path),
            None if *component == ComponentName::rest() && self.has_rest() => {
                is_shared(path) || !self.declared_paths().any(|paths| paths.matches(path))
            }
            None => false,
        }
    }

    /// How much of a folder (the root is the empty path) belongs to the component, declared or `rest`.
    pub fn coverage(&self, component: &ComponentName, folder: &[u8]) -> Coverage {
        match self.components.get(component) {
            Some(declared) => declared.coverage(folder),
            None if *component == ComponentName::rest() && self.has_rest() => {
                let mut covers = self.declared_paths().map(|paths| paths.coverage(folder));
                covers
                    .try_fold(Coverage::Whole, |sum, cover| match cover {
                        Coverage::Whole => Err(if folder.is_empty() {
                            Coverage::Descend
                        } else {
                            Coverage::Nothing
                        }),
                        Coverage::Nothing => Ok(sum),
                        Coverage::Descend => Ok(Coverage::Descend),
                    })
                    .unwrap_or_else(|nothing| nothing)
            }
            None => Coverage::Nothing,
        }
    }

    fn declared_paths(&self) -> impl Iterator<Item = &Paths> {
        self.components
            .values()
            .filter_map(|component| component.paths.as_ref())
    }

    /// The variables that a component's commands see in an environment: the component's, and over them the environment's.
    pub fn variables(
        &self,
        environment: &EnvName,
        component: &ComponentName,
    ) -> BTreeMap<VarName, String> {
        let component = self
            .components
            .get(component)
            .map(|component| &component.variables);
        let environment = self
            .environment(environment)
            .map(|environment| &environment.variables);
        [component, environment]
            .into_iter()
            .flatten()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The secrets that a component's commands see in an environment: the component's, and over them the environment's.
    pub fn secrets(
        &self,
        environment: &EnvName,
        component: &ComponentName,
    ) -> BTreeMap<VarName, Secret> {
        let component = self
            .components
            .get(component)
            .map(|component| &component.secrets);
        let environment = self
            .environment(environment)
            .map(|environment| &environment.secrets);
        [component, environment]
            .into_iter()
            .flatten()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// A name without regard to how its letters are written: by way of capitals, which also bring together what has one capital.
fn fold_case(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
pub(crate) mod tests;
