//! The definition that each rule's file contains: its name, its description, the requests that face
//! it, the facts that it reads, and its check.

use super::context::Context;
use super::fact_need::FactNeed;
use super::request::RequestContext;
use super::request_kind::RequestKinds;
use super::rule::Rule;
use crate::domain::policy::HotfixSkip;
use crate::domain::verdict::Check;

/// The definition of a rule. The lists, the evaluation and the documentation of rules derive from
/// it.
pub struct RuleDefinition {
    /// The rule that this defines: the compiler compares it with the list in `rules/mod.rs`.
    pub rule: Rule,
    /// The name that people see in verdicts, JSON documents and the documentation.
    pub name: &'static str,
    /// What the rule requires, in one or two sentences.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "read by tests")
    )]
    pub description: &'static str,
    /// The kinds of requests that face the rule. A rule that no request faces does not compile.
    pub faced_by: RequestKinds,
    /// The entry of a policy's `hotfix.skip` that exempts a hotfix from the rule, if there is one.
    pub hotfix_skip: Option<HotfixSkip>,
    /// The other ledgers that the rule reads. An entry that faces the rule must name their tips in
    /// `seen`.
    pub reads: &'static [OtherLedger],
    /// Returns the facts that the check reads, in addition to those that are gathered for every
    /// request.
    pub needs: fn(&RequestContext<'_>) -> Vec<FactNeed>,
    /// Answers whether a request satisfies the rule. Returns no check if the policy does not ask
    /// for it.
    pub check: fn(&Context<'_>) -> Vec<Check>,
}

/// A ledger that a rule reads in addition to the policy's and the entry's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherLedger {
    /// The ledger `evidence`.
    Evidence,
    /// The ledgers of the environments that `promote_from` names.
    PreviousEnvironments,
}

/// Returns no needs, for a rule that reads only facts that are gathered for every request.
pub(super) fn needs_nothing(_: &RequestContext<'_>) -> Vec<FactNeed> {
    Vec::new()
}
