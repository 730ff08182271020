//! The queries of a policy: the owner of a key, the rules of an environment, the paths of a
//! component.

use std::collections::{BTreeMap, BTreeSet};

use super::admin::UnownedPaths;
use super::component::Component;
use super::environment::{Environment, PromotionMatch};
use super::environment_words::Enforcement;
use super::error::PolicyErrors;
use super::paths::{Coverage, FileOwnership, Paths, affects_checkout};
use super::people::KeyStatus;
use super::predicate::PredicateType;
use super::refname::BranchName;
use super::starter::{self, StarterPerson};
use super::variables::{Secret, VarName};
use super::{Policy, parse};
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person, ProjectName};
use crate::domain::text::fold_case;

impl Policy {
    /// Reads and validates the text of a `deploy.toml`, at most [`super::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, PolicyErrors> {
        parse::parse(text)
    }

    /// Reads and validates the bytes of a `deploy.toml` in a repository.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyErrors> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            PolicyErrors::single(&format!(
                "it is not UTF-8 text: invalid bytes at offset {}",
                error.valid_up_to()
            ))
        })?;
        Self::parse(text)
    }

    /// Writes the `deploy.toml` of a new project. Each environment promotes from the one before it,
    /// and the last one needs an approval if there is a second person. The text parses if no name
    /// and no key is given twice.
    pub fn starter(
        project: &ProjectName,
        people: &[StarterPerson],
        environments: &[EnvName],
    ) -> String {
        starter::write_starter(project, people, environments)
    }

    /// Returns the rules of an environment: its own, or those of the pattern that it matches
    /// (`pr-17` matches `pr-*`).
    pub fn environment(&self, name: &EnvName) -> Option<&Environment> {
        self.environments.get(name).or_else(|| {
            // Patterns are disjoint, so at most one prefix fits.
            let dashes = name.as_str().match_indices('-').map(|(index, _)| index);
            dashes
                .filter(|index| index + 1 < name.as_str().len())
                .find_map(|index| self.patterns.get(name.as_str().get(..index)?))
        })
    }

    /// Returns the ledger of an environment: its own, or its pattern's.
    pub fn ledger_of(&self, name: &EnvName) -> Option<LedgerName> {
        self.environment(name)
            .map(|environment| environment.ledger.clone())
    }

    /// Finds the environment or pattern that a ledger belongs to; `None` for an unknown ledger,
    /// `policy` and `evidence`.
    pub fn environment_of_ledger(&self, ledger: &LedgerName) -> Option<&Environment> {
        self.environments
            .get(ledger.as_str())
            .or_else(|| self.patterns.get(ledger.as_str()))
    }

    /// Returns the ledgers of all environments and patterns.
    pub fn ledgers(&self) -> BTreeSet<LedgerName> {
        self.all_environments()
            .map(|environment| environment.ledger.clone())
            .collect()
    }

    /// Lists all environments, then all patterns.
    pub fn all_environments(&self) -> impl Iterator<Item = &Environment> {
        self.environments.values().chain(self.patterns.values())
    }

    /// Finds the owner of a key, by its 32 bytes, and whether the key may still sign.
    pub fn person_of_key(&self, key: &PublicKey) -> Option<(&Person, KeyStatus)> {
        self.keys.get(key).map(|(person, status)| (person, *status))
    }

    /// Finds the owner of an e-mail address, given as the bytes of a commit. ASCII case does not
    /// matter.
    pub fn person_of_email(&self, address: &[u8]) -> Option<&Person> {
        self.emails
            .get(&std::str::from_utf8(address).ok()?.to_ascii_lowercase())
    }

    /// Returns who may publish a policy: `[policy] admins`, or the owners of the keys that the
    /// genesis entry names, current or retired.
    pub fn admins(&self, root_keys: &[PublicKey]) -> BTreeSet<Person> {
        match &self.admin_rules.admins {
            Some(admins) => admins.persons().clone(),
            None => root_keys
                .iter()
                .filter_map(|key| Some(self.person_of_key(key)?.0.clone()))
                .collect(),
        }
    }

    /// Checks whether this is a machine. A name that is not listed counts as one, so that no
    /// unknown signer counts as a person.
    pub fn is_machine(&self, person: &Person) -> bool {
        self.people.get(person).is_none_or(|spec| spec.machine)
    }

    /// Checks whether an attestation of this type counts if this person signed it.
    pub fn may_attest(&self, person: &Person, predicate_type: &PredicateType) -> bool {
        self.people.contains_key(person)
            && self.checks.as_ref().is_none_or(|checks| {
                checks
                    .get(predicate_type)
                    .is_some_and(|members| members.contains(person))
            })
    }

    /// Finds the environment that a branch, by its short name, belongs to.
    pub fn environment_of_branch(&self, branch: &str) -> Option<&Environment> {
        self.environments.values().find(|environment| {
            environment
                .branch
                .as_ref()
                .is_some_and(|own| own.as_str() == branch)
        })
    }

    /// Returns the branches, by their short names, of the environments whose rules are enforced.
    pub fn enforced_branches(&self) -> impl Iterator<Item = &BranchName> {
        self.environments
            .values()
            .filter(|environment| environment.enforcement == Enforcement::Active)
            .filter_map(|environment| environment.branch.as_ref())
    }

    /// Finds the environment whose branch differs from this one in upper and lower case only. On a
    /// file system that ignores case, the two refs are the same file.
    pub fn environment_of_similar_branch(&self, branch: &str) -> Option<&Environment> {
        let is_equal = |own: &str| {
            if branch.is_ascii() && own.is_ascii() {
                own.eq_ignore_ascii_case(branch)
            } else {
                fold_case(own) == fold_case(branch)
            }
        };
        let is_similar = |own: &BranchName| own.as_str() != branch && is_equal(own.as_str());
        self.environments
            .values()
            .find(|environment| environment.branch.as_ref().is_some_and(is_similar))
    }

    /// Finds the environments and patterns whose `tag` has the form of this tag, given by its short
    /// name.
    pub fn environments_of_tag(&self, tag: &str) -> Vec<&Environment> {
        self.all_environments()
            .filter(|environment| environment.claims_tag(tag))
            .collect()
    }

    /// Finds the environment or pattern whose `tag` has the form of this tag in another case.
    pub fn environment_of_similar_tag(&self, tag: &str) -> Option<&Environment> {
        self.all_environments()
            .find(|environment| environment.claims_similar_tag(tag))
    }

    /// Finds a declared component; `None` for `rest` and unknown ones.
    pub fn component(&self, name: &ComponentName) -> Option<&Component> {
        self.components.get(name)
    }

    /// Returns what must have run in the previous environments of an environment: the component's
    /// content or its commit.
    ///
    /// By default, the content is enough if nothing else can have an effect: the component is the
    /// whole tree, or git-deploy runs its commands in a checkout of that content alone.
    pub fn promotion_match(
        &self,
        environment: &Environment,
        component: &ComponentName,
    ) -> PromotionMatch {
        let is_complete = self
            .component(component)
            .is_some_and(|it| it.paths.is_none() || it.apply.is_some());
        environment.promotion_match.unwrap_or(if is_complete {
            PromotionMatch::Content
        } else {
            PromotionMatch::Commit
        })
    }

    /// Checks whether there is a component `rest`: unowned paths are gated, and no component is
    /// declared without `paths`, which would own everything.
    pub fn has_rest(&self) -> bool {
        self.unowned == UnownedPaths::Gated
            && self
                .components
                .values()
                .all(|component| component.paths.is_some())
    }

    /// Returns the names of all components that are gated: the declared ones, and `rest` if there
    /// is one.
    pub fn component_names(&self) -> BTreeSet<ComponentName> {
        self.components
            .keys()
            .cloned()
            .chain(self.has_rest().then(ComponentName::rest))
            .collect()
    }

    /// Checks whether there is a component of this name, declared or `rest`.
    pub fn has_component(&self, component: &ComponentName) -> bool {
        self.components.contains_key(component)
            || self.has_rest() && *component == ComponentName::rest()
    }

    /// Lists the names that a component had before, newest first.
    pub fn former_names(&self, component: &ComponentName) -> &[ComponentName] {
        self.component(component)
            .map_or(&[], |component| &component.renamed_from)
    }

    /// Lists the names of a component: its own, and those that it had before.
    pub fn names_of<'a>(
        &'a self,
        component: &'a ComponentName,
    ) -> impl Iterator<Item = &'a ComponentName> {
        std::iter::once(component).chain(self.former_names(component))
    }

    /// Returns the component that was renamed from this one.
    pub fn renamed_to(&self, old: &ComponentName) -> Option<&ComponentName> {
        self.components
            .values()
            .find(|component| component.renamed_from.contains(old))
            .map(|component| &component.name)
    }

    /// Returns the present name of a component: its own, or that of the component that was renamed
    /// from it.
    pub fn current_name<'a>(&'a self, component: &'a ComponentName) -> &'a ComponentName {
        self.renamed_to(component).unwrap_or(component)
    }

    /// Returns how a file, or a link (a symbolic link or a submodule), belongs to the component,
    /// declared or `rest`. An unknown component owns nothing.
    pub fn file_ownership(
        &self,
        component: &ComponentName,
        path: &[u8],
        is_link: bool,
    ) -> FileOwnership {
        let shared = self.shared.as_ref();
        if affects_checkout(path) {
            FileOwnership::WithNeighbours
        } else if shared.is_some_and(|paths| paths.matches(path) || paths.blocks(path, is_link)) {
            FileOwnership::Shared
        } else if self.owns(component, path, is_link) {
            FileOwnership::Owned
        } else {
            FileOwnership::Outside
        }
    }

    fn owns(&self, component: &ComponentName, path: &[u8], is_link: bool) -> bool {
        match self.components.get(component) {
            Some(declared) => declared.owns(path, is_link),
            None if *component == ComponentName::rest() && self.has_rest() => {
                !self.declared_paths().any(|paths| paths.matches(path))
            }
            None => false,
        }
    }

    /// Returns how much of a folder belongs to the component, declared or `rest`, shared files
    /// included. The root is the empty path.
    pub fn coverage(&self, component: &ComponentName, folder: &[u8]) -> Coverage {
        match (&self.shared, self.own_coverage(component, folder)) {
            (Some(shared), Coverage::Nothing) => match shared.coverage(folder) {
                Coverage::Nothing => Coverage::Nothing,
                // Shared files alone do not make a component present, so the walk must look for
                // others.
                Coverage::Whole | Coverage::Descend => Coverage::Descend,
            },
            (_, own) => own,
        }
    }

    fn own_coverage(&self, component: &ComponentName, folder: &[u8]) -> Coverage {
        match self.components.get(component) {
            Some(declared) => declared.coverage(folder),
            None if *component == ComponentName::rest() && self.has_rest() => {
                let mut coverages = self.declared_paths().map(|paths| paths.coverage(folder));
                coverages
                    .try_fold(Coverage::Whole, |rest_so_far, coverage| match coverage {
                        // Nothing is left for `rest`, except the shared files at the root.
                        Coverage::Whole => Err(if folder.is_empty() {
                            Coverage::Descend
                        } else {
                            Coverage::Nothing
                        }),
                        Coverage::Nothing => Ok(rest_so_far),
                        Coverage::Descend => Ok(Coverage::Descend),
                    })
                    .unwrap_or_else(|decided| decided)
            }
            None => Coverage::Nothing,
        }
    }

    fn declared_paths(&self) -> impl Iterator<Item = &Paths> {
        self.components
            .values()
            .filter_map(|component| component.paths.as_ref())
    }

    /// Returns the variables of a component's commands in an environment. The environment's take
    /// precedence over the component's.
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
        merge_settings(component, environment)
    }

    /// Returns the secrets of a component's commands in an environment. The environment's take
    /// precedence over the component's.
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
        merge_settings(component, environment)
    }
}

impl Policy {
    /// Returns the names of the secrets of all components and environments.
    pub fn secret_names(&self) -> BTreeSet<&VarName> {
        let components = self.components.values().map(|it| &it.secrets);
        let environments = self.all_environments().map(|it| &it.secrets);
        components
            .chain(environments)
            .flat_map(BTreeMap::keys)
            .collect()
    }
}

/// Merges the settings of a component and of an environment. The environment's take precedence.
fn merge_settings<T: Clone>(
    component: Option<&BTreeMap<VarName, T>>,
    environment: Option<&BTreeMap<VarName, T>>,
) -> BTreeMap<VarName, T> {
    [component, environment]
        .into_iter()
        .flatten()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
