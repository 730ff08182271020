//! The rules: a pure function from a policy, a request and facts to a verdict.
//!
//! Each rule is defined in one file, which states its name, what it requires, which requests face
//! it, which facts it needs and its check. The list below is the only other place that names it:
//! the enum, the dispatch and `docs/rules.md` derive from it. A rule that lacks a fact answers
//! "cannot tell", never yes.

/// The list of rules: the variant of [`Rule`] and the file that defines it, in the order in which a
/// verdict lists the answers.
///
/// To add a rule, write its file, and add it here and to the modules below.
macro_rules! list_rules {
    ($receiver:ident) => {
        $receiver! {
            Authorization => authorization,
            Chain => chain,
            Time => time,
            Content => content,
            State => state,
            PreviousEnvironment => previous_environment,
            Soak => soak,
            Approvals => approvals,
            Checks => checks,
            Artifact => artifact,
            Yanked => yanked,
            FastForward => fast_forward,
            Hold => hold,
            UpToDate => up_to_date,
            Lock => lock,
            Freeze => freeze,
            Version => version,
            Inputs => inputs,
            Branch => branch,
            Tag => tag,
        }
    };
}

mod approvals;
mod artifact;
mod authorization;
mod branch;
mod chain;
mod checks;
mod content;
mod fast_forward;
mod freeze;
mod hold;
mod inputs;
mod lock;
mod previous_environment;
mod soak;
mod state;
mod tag;
mod time;
mod up_to_date;
mod version;
mod yanked;

// Shared by the rules.
mod context;
mod definition;
mod fact_need;
pub mod facts;
mod findings;
mod key_trust;
mod matching;
mod previous_log;
mod request;
mod request_kind;
pub(super) mod rule;
mod suggestions;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

pub use approvals::{ApprovalRefusal, can_be_approved};
pub use fact_need::FactNeed;
pub use facts::{AuthoredCommit, Chain, CommitFact, Fact, Facts, SKEW, SeenFact};
pub use key_trust::has_listed_key;
pub use request::{Request, RequestContext};
pub use request_kind::RequestKind;
pub use rule::Rule;

use super::entry::{Approve, Deployment, Statement};
use super::name::{LedgerName, Person};
use super::policy::{Environment, HotfixSkip, Policy};
use super::time::Time;
use super::verdict::{Check, Verdict};
use context::Context;
use definition::{OtherLedger, RuleDefinition};

macro_rules! define_dispatch {
    ($($variant:ident => $file:ident,)+) => {
        impl Rule {
            /// Returns the rule's definition.
            const fn definition(self) -> &'static RuleDefinition {
                match self {
                    $(Self::$variant => &$file::DEFINITION,)+
                }
            }
        }

        $(
            const _: () = {
                assert!(
                    matches!($file::DEFINITION.rule, Rule::$variant),
                    concat!(stringify!($file), ".rs defines another rule than the list says"),
                );
                assert!(
                    !$file::DEFINITION.faced_by.is_empty(),
                    concat!("no request faces the rule in ", stringify!($file), ".rs"),
                );
            };
        )+
    };
}

list_rules!(define_dispatch);

impl Rule {
    /// Returns the name that people see, such as `previous environment`.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns what the rule requires, in one or two sentences.
    #[cfg(any(test, feature = "testing"))]
    pub const fn description(self) -> &'static str {
        self.definition().description
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Judges a request by every rule that it faces. Returns the answers in the order of [`Rule`].
///
/// `policy` is the policy in force; for the first `publish` of a project, the published policy
/// itself. `now` is the server's clock in a hook, and the entry's own time in an audit.
pub fn evaluate(policy: &Policy, request: &Request<'_>, facts: &Facts, now: Time) -> Verdict {
    let subject = RequestContext::new(policy, *request);
    let rules = faced_rules(subject.kind, subject.environment);
    let ctx = add_facts(subject, facts, now);
    Verdict {
        checks: rules
            .into_iter()
            .flat_map(|rule| (rule.definition().check)(&ctx))
            .map(|check| suggestions::address(&ctx, check))
            .collect(),
    }
}

/// Returns everyone whose approval counts for a `start`, `record` or `publish`: the exact content
/// of its `approvedBy`.
///
/// Returns an empty set if no approval is required: the environment requires none, or the deployment
/// is a rollback or breaks glass. Also returns an empty set if a fact is missing: the verdict is
/// then "cannot tell".
pub fn counting_approvers(
    policy: &Policy,
    request: &Request<'_>,
    facts: &Facts,
    now: Time,
) -> BTreeSet<Person> {
    let ctx = add_facts(RequestContext::new(policy, *request), facts, now);
    approvals::counting_approvers(&ctx)
}

/// Returns why an approval by this person would not count for the deployment in the request. Returns
/// `None` if it would count. Also returns `None` if no approval requirement names the person: the
/// rule `authorization` then refuses the approval.
///
/// The rule `approvals` decides as for a deployment that another person starts.
///
/// # Errors
///
/// Fails with the reason if a fact is missing.
pub fn refuse_proposed_approval(
    policy: &Policy,
    request: &Request<'_>,
    facts: &Facts,
    now: Time,
    by: &Person,
    approve: &Approve,
) -> Fact<Option<ApprovalRefusal>> {
    let ctx = add_facts(RequestContext::new(policy, *request), facts, now);
    approvals::refuse_proposed_approval(&ctx, by, approve)
}

/// Returns the refusal of a record, or of the start of one, that covers components which git-deploy
/// deploys itself and that does not state that the deployment is external. The rule `content` refuses
/// such a record. It cannot tell a start that `git deploy record` would write from that of a run.
pub fn refuse_unmarked_record(
    policy: &Policy,
    environment: &str,
    deployment: &Deployment,
) -> Option<Check> {
    content::refuse_unmarked_record(policy, environment, deployment)
}

/// Returns the facts that the rules of a request need, in addition to those that every request
/// gets.
pub fn fact_needs(subject: &RequestContext<'_>) -> BTreeSet<FactNeed> {
    faced_rules(subject.kind, subject.environment)
        .into_iter()
        .flat_map(|rule| (rule.definition().needs)(subject))
        .collect()
}

/// Returns the other ledgers that are read to judge an entry. Its `seen` must name the tips of
/// those that exist.
///
/// These are the policy's ledger, the ledgers that the entry's rules read and, for a `publish`, the
/// ledgers of all environments.
pub fn ledgers_read(policy: &Policy, statement: &Statement) -> BTreeSet<LedgerName> {
    let request = Request::Entry {
        statement,
        key: None,
        policy_text: None,
    };
    ledgers_read_for(&RequestContext::new(policy, request))
}

fn add_facts<'a>(subject: RequestContext<'a>, facts: &'a Facts, now: Time) -> Context<'a> {
    let ledgers = ledgers_read_for(&subject);
    Context::new(subject, ledgers, facts, now)
}

/// Returns the rules that a kind of request faces in an environment, in order.
fn faced_rules(kind: RequestKind, environment: Option<&Environment>) -> Vec<Rule> {
    let skips = |skip: HotfixSkip| {
        let hotfix = environment.and_then(|it| it.hotfix.as_ref());
        kind == RequestKind::Hotfix && hotfix.is_some_and(|it| it.skip.contains(&skip))
    };
    let faces = |rule: &Rule| {
        let definition = rule.definition();
        definition.faced_by.contains(kind) && !definition.hotfix_skip.is_some_and(skips)
    };
    Rule::ALL.iter().copied().filter(faces).collect()
}

fn ledgers_read_for(subject: &RequestContext<'_>) -> BTreeSet<LedgerName> {
    let Some(statement) = subject.statement else {
        return BTreeSet::new();
    };
    // An entry for an unknown environment must name the same ledgers: its action decides.
    let kind = RequestKind::of_action(&statement.action);
    let mut ledgers = BTreeSet::from([LedgerName::policy()]);
    for rule in faced_rules(kind, subject.environment) {
        for ledger in rule.definition().reads {
            match ledger {
                OtherLedger::Evidence => drop(ledgers.insert(LedgerName::evidence())),
                OtherLedger::PreviousEnvironments => {
                    let sources = subject.environment.map(|it| &it.promote_from);
                    let names = sources.into_iter().flatten();
                    ledgers.extend(names.filter_map(|name| subject.policy.ledger_of(name)));
                }
            }
        }
    }
    if kind == RequestKind::Publish {
        ledgers.extend(subject.policy.ledgers());
    }
    ledgers.remove(&statement.ledger);
    ledgers
}

#[cfg(test)]
mod documentation;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
