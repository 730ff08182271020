//! The gates: one pure function from a request and facts to a verdict with reasons. One rule a file.
//!
//! Which rules a request faces is said in one place, [`table`]; what a rule asks is said in its own file. A rule that the
//! environment does not ask for answers nothing; a fact that a rule lacks makes it answer "cannot tell", never yes.

pub mod facts;

mod applicability;
mod approvals;
mod artifact;
mod authorization;
mod branch;
mod chain;
mod checks;
mod content;
mod findings;
mod forward_only;
mod freeze;
mod key_trust;
mod lock;
mod matching;
mod promotion;
mod soak;
mod tag;
mod time;
mod transition;
mod up_to_date;
mod version;
mod yanked;

use std::borrow::Cow;

pub use applicability::reads;
pub use approvals::counting;
pub use facts::{Chain, CommitFact, Facts, Known, Request, SKEW, SeenFact};

use super::entry::{Change, Deployment, Intent, Kind, Statement, Target};
use super::id::{CommitId, Content};
use super::name::{ComponentName, EnvName};
use super::policy::{Environment, Policy};
use super::state::{Here, State};
use super::time::Time;
use super::verdict::{Check, Rule, Verdict};

/// Judges a request: every rule that it faces, passed or not, in the order of [`Rule`].
///
/// `policy` is the one in force; for the first `publish` of a project, where none is, the one that it brings. `now` is the
/// server's clock in a hook, and the entry's own time in an audit.
pub fn evaluate(policy: &Policy, request: &Request<'_>, facts: &Facts, now: Time) -> Verdict {
    let ctx = Context::new(policy, *request, facts, now);
    Verdict {
        checks: applicability::rules(&ctx)
            .into_iter()
            .flat_map(|rule| check(rule, &ctx))
            .collect(),
    }
}

/// Asks one rule.
fn check(rule: Rule, ctx: &Context<'_>) -> Vec<Check> {
    match rule {
        Rule::Signer => authorization::check(ctx),
        Rule::Place => chain::check(ctx),
        Rule::Time => time::check(ctx),
        Rule::Content => content::check(ctx),
        Rule::State => transition::check(ctx),
        Rule::PreviousEnvironment => promotion::check(ctx),
        Rule::Soak => soak::check(ctx),
        Rule::Approvals => approvals::check(ctx),
        Rule::Checks => checks::check(ctx),
        Rule::Artifact => artifact::check(ctx),
        Rule::Yanked => yanked::check(ctx),
        Rule::Direction => forward_only::check(ctx),
        Rule::UpToDate => up_to_date::check(ctx),
        Rule::Lock => lock::check(ctx),
        Rule::Freeze => freeze::check(ctx),
        Rule::Version => version::check(ctx),
        Rule::Branch => branch::check(ctx),
        Rule::Tag => tag::check(ctx),
    }
}

/// A request with everything that rules ask about it.
struct Context<'a> {
    /// The policy that judges.
    policy: &'a Policy,
    /// What is wanted.
    request: Request<'a>,
    /// What is known.
    facts: &'a Facts,
    /// The clock: what is expired, frozen or soaked is so now.
    now: Time,
    /// The entry, if one is wanted.
    statement: Option<&'a Statement>,
    /// The rules of the request's environment; `None` in `policy` and `evidence`, and where the policy knows no such environment.
    environment: Option<&'a Environment>,
    /// The name of that environment as the request gives it: `pr-17`, where [`Context::environment`] is the pattern's.
    name: Option<EnvName>,
    deployment: Known<Cow<'a, Deployment>>,
}

impl<'a> Context<'a> {
    fn new(policy: &'a Policy, request: Request<'a>, facts: &'a Facts, now: Time) -> Self {
        let statement = match request {
            Request::Entry { statement, .. } => Some(statement),
            Request::Branch { .. } | Request::Tag { .. } => None,
        };
        let name = match request {
            Request::Entry { statement, .. } => statement.environment(),
            Request::Branch { environment, .. } | Request::Tag { environment, .. } => {
                Some(environment.clone())
            }
        };
        // A promotion tag may be of a pattern as a whole, which no entry is.
        let pattern = |name| policy.patterns.get(name).filter(|_| statement.is_none());
        let environment = name
            .as_ref()
            .and_then(|name| policy.environment(name).or_else(|| pattern(name)));
        let mut ctx = Self {
            policy,
            request,
            facts,
            now,
            statement,
            environment,
            name,
            deployment: Err(String::new()),
        };
        ctx.deployment = match request {
            Request::Entry { statement, .. } => statement
                .deployment()
                .map(Cow::Borrowed)
                .ok_or_else(|| "the entry deploys nothing".to_owned()),
            Request::Branch { new, .. } | Request::Tag { new, .. } => {
                ctx.as_if_deployed(new).map(Cow::Owned)
            }
        };
        ctx
    }

    /// The deployment that is judged: the one of the entry; for a branch or tag, the one that would bring its new commit into the
    /// environment.
    fn deployment(&self) -> Known<&Deployment> {
        self.deployment.as_deref().map_err(Clone::clone)
    }

    /// The state of the request's ledger before the entry, or of the branch's or tag's environment.
    fn state(&self) -> Known<&'a State> {
        match &self.facts.state {
            Some(Ok(state)) => Ok(state),
            Some(Err(why)) => Err(why.clone()),
            None => Err("the ledger's state was not read".to_owned()),
        }
    }

    /// The part of that state that is the request's environment.
    fn here(&self) -> Known<Here<'a>> {
        let environment = match self.request {
            Request::Entry { statement, .. } => statement.environment.as_ref(),
            Request::Branch { environment, .. } | Request::Tag { environment, .. } => self
                .environment
                .and_then(|rules| rules.ephemeral)
                .map(|_| environment),
        };
        Ok(self.state()?.at(environment))
    }

    /// The environment's rules; a rule of environments is never asked without, see [`table`].
    fn environment(&self) -> Known<&'a Environment> {
        self.environment
            .ok_or_else(|| "the policy knows no such environment".to_owned())
    }

    /// The name of the environment, or of the ledger where it is none: for people and for remedies.
    fn shown(&self) -> String {
        match (&self.name, self.statement) {
            (Some(name), _) => name.to_string(),
            (None, Some(statement)) => statement.ledger.to_string(),
            (None, None) => String::new(),
        }
    }

    /// The content of a component at a commit; `None` inside where it is absent there.
    fn content(&self, commit: CommitId, component: &ComponentName) -> Known<Option<Content>> {
        let missing = || {
            Err(format!(
                "the content of {component} at {} was not read",
                commit.short()
            ))
        };
        self.facts
            .contents
            .get(&(commit, component.clone()))
            .cloned()
            .unwrap_or_else(missing)
    }

    /// Whether `commit` is `base` or descends from it.
    fn contains(&self, commit: CommitId, base: CommitId) -> Known<bool> {
        if commit == base {
            return Ok(true);
        }
        let missing = || {
            Err(format!(
                "whether {} contains {} was not looked up",
                commit.short(),
                base.short()
            ))
        };
        self.facts
            .contains
            .get(&(commit, base))
            .cloned()
            .unwrap_or_else(missing)
    }

    /// What a deployment of a commit with all its components would be: what is equal there rides along.
    fn as_if_deployed(&self, commit: Option<CommitId>) -> Known<Deployment> {
        let commit = commit.ok_or_else(|| "the ref is deleted".to_owned())?;
        let here = self.here()?;
        let mut components = Vec::new();
        for component in self.policy.component_names() {
            let content = self.content(commit, &component)?;
            let from = here.commit(&component);
            let intent = match content {
                None if from.is_none() => continue,
                None => Intent::Destroy,
                Some(_)
                    if here.unknown(&component).is_none()
                        && content == here.content(&component) =>
                {
                    Intent::Unchanged
                }
                Some(_) => Intent::Change,
            };
            let target = Target {
                component,
                commit,
                content,
                version: None,
                artifacts: Vec::new(),
            };
            components.push(Change {
                target,
                from,
                plan: None,
                intent,
            });
        }
        Ok(Deployment::new(Kind::Deploy, components))
    }
}

/// A rule's answer from what it found out: its checks, or the missing fact as "cannot tell".
fn answer(rule: Rule, found: Known<Vec<Check>>) -> Vec<Check> {
    found.unwrap_or_else(|why| vec![Check::unknown(rule, super::text::sanitize(&why))])
}

/// Whether a change puts a component at another commit, its content or not.
fn moved(change: &Change) -> bool {
    change.intent != Intent::Unchanged || change.from != Some(change.target.commit)
}

/// A pass where nothing was found against it.
fn unless(rule: Rule, against: Vec<Check>) -> Vec<Check> {
    if against.is_empty() {
        vec![Check::pass(rule, "")]
    } else {
        against
    }
}

#[cfg(test)]
mod testing;
