//! One environment and its place in the ledgers.
//!
//! An environment that belongs to no pattern has its own ledger, whose entries do not name it. The
//! environments of a pattern (`pr-17` of `pr-*`) share the pattern's ledger, and each entry names
//! one of them.

use super::entry::Trailers;
use super::name::{EnvName, LedgerName};
use super::policy::{Environment, Policy};
use super::state::{EnvState, State};

/// An environment, its ledger, and how the entries there name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvRef {
    name: EnvName,
    ledger: LedgerName,
    member: Option<EnvName>,
}

impl EnvRef {
    /// Returns the environment of this name, whose rules in the policy are `rules`.
    pub fn new(name: &EnvName, rules: &Environment) -> Self {
        Self {
            ledger: rules.ledger.clone(),
            member: rules.is_pattern().then(|| name.clone()),
            name: name.clone(),
        }
    }

    /// Finds the environment of this name in the policy, with its rules.
    pub fn find<'p>(policy: &'p Policy, name: &EnvName) -> Option<(Self, &'p Environment)> {
        let rules = policy.environment(name)?;
        Some((Self::new(name, rules), rules))
    }

    /// Returns an environment that the policy no longer has, and whose entries are in this ledger.
    pub fn dropped(name: EnvName, ledger: LedgerName) -> Self {
        Self {
            member: (ledger.as_str() != name.as_str()).then(|| name.clone()),
            name,
            ledger,
        }
    }

    /// Returns the environment's name: `pr-17` if the policy has `pr-*`.
    pub fn name(&self) -> &EnvName {
        &self.name
    }

    /// Returns the ledger with the environment's entries.
    pub fn ledger(&self) -> &LedgerName {
        &self.ledger
    }

    /// Returns the name that the environment's entries carry. Returns `None` if the ledger has no
    /// other environment, since its entries then carry no name.
    pub fn member(&self) -> Option<&EnvName> {
        self.member.as_ref()
    }

    /// Returns the environment's part of its ledger's state.
    pub fn state_in<'a>(&'a self, state: &'a State) -> EnvState<'a> {
        state.environment(self.member())
    }

    /// Checks whether an entry of the ledger, given by its trailers, is about this environment.
    pub fn matches(&self, trailers: &Trailers) -> bool {
        self.member()
            .is_none_or(|member| trailers.environment.as_deref() == Some(member.as_str()))
    }

    /// Returns the environment's rules in a policy. Returns `None` if the policy does not have the
    /// environment, or keeps its entries in another ledger.
    pub fn rules_in<'p>(&self, policy: &'p Policy) -> Option<&'p Environment> {
        policy
            .environment(&self.name)
            .filter(|rules| rules.ledger == self.ledger)
    }
}
