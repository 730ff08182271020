//! What the policy says of an environment: `[environments.<name>]`.
//!
//! Every field is resolved: defaults are filled in and groups expanded, so that a rule never asks what an absent key means.

use std::collections::{BTreeMap, BTreeSet};

use super::component::{Secret, VarName};
use super::freeze::Freeze;
use super::notify::Notify;
use super::people::Members;
use super::predicate::PredicateType;
use super::refname::BranchName;
use super::template::Template;
use super::version::VersionRule;
use crate::domain::name::{EnvName, Label, LedgerName};
use crate::domain::text::Line;
use crate::domain::time::Span;

/// An environment, or a pattern of ephemeral ones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a key of its own that is written as true or false.
pub struct Environment {
    /// Its name; for the pattern `pr-*` the prefix `pr`.
    pub name: EnvName,
    /// The ledger that holds its log: of the same name, shared by all environments of a pattern.
    pub ledger: LedgerName,
    /// `ephemeral = { ttl, limit }`: given for a pattern, and only there.
    pub ephemeral: Option<Ephemeral>,

    /// `deployers` (default: everyone listed): who may start, record, resume and verify deployments here.
    pub deployers: Members,
    /// `rollback_by` (default: the deployers): who may go back to an earlier release.
    pub rollback_by: Members,
    /// `exec_by` (default: the deployers): who may run a recorded one-off command.
    pub exec_by: Members,
    /// `break_glass = { by }`: the people who may pass over the rules with a reason; never a machine. Without it nobody may.
    pub break_glass: Option<Members>,
    /// `hotfix = { by, skip }`: who may deploy a hotfix, and what it need not wait for. Without it nobody may.
    pub hotfix: Option<Hotfix>,

    /// `promote_from`: the environment where the very commit must have run, verified, before.
    pub promote_from: Option<EnvName>,
    /// `soak`: how long it must have run there, verified and unbroken. Needs `promote_from`.
    pub soak: Option<Span>,
    /// `approvals`: seats that different people must fill. A number alone is that many of any people.
    pub approvals: Vec<ApprovalRequirement>,
    /// `checks`: attestations that the commit must have.
    pub checks: Vec<RequiredCheck>,
    /// `artifact = "required"`: only what was registered as built is deployed.
    pub artifact_required: bool,
    /// `version`: where the version is read, and whether it must rise.
    pub version: Option<VersionRule>,
    /// `freeze`: when nothing is deployed here.
    pub freeze: Vec<Freeze>,

    /// `branch`: the one branch that stands for this environment. A pattern has none.
    pub branch: Option<BranchName>,
    /// `deploy_on` (default `"merge"`): whether the branch moves before the deployment or after it. Needs `branch`.
    pub deploy_on: DeployOn,
    /// `up_to_date` (default false): the commit must contain the branch's tip. Needs `branch`.
    pub up_to_date: bool,
    /// `tag`: the tag that a success makes, with `{timestamp}`, `{env}`, `{branch}`, `{version}`, `{component}` and `{commit}`. Tags
    /// of this form are the environment's: they are pushed only for what may run here, and never move.
    pub tag: Option<Template>,
    /// `enforcement` (default `"active"`): whether the branch and tag rules refuse or only tell.
    pub enforcement: Enforcement,

    /// `stale_after` (default 1 hour): an unfinished start older than this may be aborted by any deployer.
    pub stale_after: Span,
    /// `url`: where it can be seen; `{env}` stands for the environment's name.
    pub url: Option<Template>,
    /// `parallel` (default 4): how many components are planned or applied at once; 1 to 64.
    pub parallel: u32,
    /// `rollback` (default `"auto"`): whether components that a failed run attempted go back to their last good commit.
    pub rollback: Rollback,
    /// `notify`: who is told what happens here. Without it, those of the policy's own `notify`.
    pub notify: Vec<Notify>,
    /// `trigger = { branch }` or `{ tag }`: the push that asks for a deployment here.
    pub trigger: Option<Trigger>,
    /// `advance = { branch, method = "ff" }`: the branch that follows a success, by fast-forward only.
    pub advance: Option<BranchName>,
    /// `manifest = { repo, file, field }`: where a success writes the new image reference for Argo CD or Flux to take over.
    pub manifest: Vec<Manifest>,
    /// `variables`: passed to every command run for this environment; they win over a component's.
    pub variables: BTreeMap<VarName, String>,
    /// `secrets`: likewise, each read from its command at the moment of use.
    pub secrets: BTreeMap<VarName, Secret>,
}

impl Environment {
    /// Whether this is a pattern of ephemeral environments.
    pub fn is_pattern(&self) -> bool {
        self.ephemeral.is_some()
    }

    /// Its name as the policy writes it: `prod`, `pr-*`.
    pub fn display_name(&self) -> String {
        if self.is_pattern() {
            format!("{}-*", self.name)
        } else {
            self.name.to_string()
        }
    }

    /// Whether a tag, by its short name, is one of the environment's promotion tags: of the form of its `tag`.
    ///
    /// Compared exactly; see also [`Environment::claims_similar_tag`].
    pub fn claims_tag(&self, tag: &str) -> bool {
        self.tag
            .as_ref()
            .is_some_and(|template| template.could_produce(tag, &self.name, self.is_pattern()))
    }

    /// Whether a tag that is none of them would be one if ASCII letters were written otherwise.
    pub fn claims_similar_tag(&self, tag: &str) -> bool {
        let makes = |template: &Template| {
            template.could_produce_in_any_case(tag, &self.name, self.is_pattern())
        };
        !self.claims_tag(tag) && self.tag.as_ref().is_some_and(makes)
    }
}

/// What bounds the environments of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ephemeral {
    /// `ttl`: the longest an environment may live without being renewed.
    pub ttl: Span,
    /// `limit`: how many may exist at once.
    pub limit: u32,
}

/// Which comes first, the branch or the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeployOn {
    /// `"merge"`: the commit is merged into the branch, then deployed.
    Merge,
    /// `"approval"`: the commit is deployed, then the branch may move to it.
    Approval,
}

/// What the branch and tag rules do when they say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// `"active"`: refuse the push.
    Active,
    /// `"evaluate"`: tell the pusher and let the push pass, while a team moves over.
    Evaluate,
}

/// What happens to the components that a failed run attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    /// `"auto"`: those that failed are brought back to their last good commit.
    Auto,
    /// `"all"`: so is everything else that the run changed.
    All,
    /// `"manual"`: they are left as they are, for a person to decide.
    Manual,
}

/// An approval rule: so many different people of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequirement {
    /// `required` (default 1): how many; at least 1, and all seats together at most 20.
    pub required: u32,
    /// `by` (default: every person): who may. Machines that a group holds are left out here: they never approve.
    pub by: Members,
    /// `prevent_self` (default true): not the starter, the requester, nor an author of what is newly brought in.
    pub prevent_self: bool,
    /// `bind`: what an approval is for.
    pub bind: Bind,
    /// `expires` (default 7 days): how long an approval counts.
    pub expires: Span,
}

/// What an approval is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// The commit, the environment and the set of components.
    Commit,
    /// `"plan"`: these, and the digest of each component's plan.
    Plan,
}

/// An attestation that a commit must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredCheck {
    /// `type`: the in-toto predicate type; a check that is a word alone is its type.
    pub predicate_type: PredicateType,
    /// `suite`: only attestations of this suite.
    pub suite: Option<Label>,
    /// `environment`: only attestations about the commit in this environment.
    pub environment: Option<EnvName>,
    /// `by`: only attestations of these, who must be among those whom `[checks]` accepts for the type.
    pub by: Option<Members>,
}

/// Who may deploy a hotfix, and what it skips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotfix {
    /// `by` (default: the deployers).
    pub by: Members,
    /// `skip` (default nothing): the rules that a hotfix need not pass.
    pub skip: BTreeSet<HotfixSkip>,
}

/// A rule that a hotfix may skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HotfixSkip {
    /// `"promote_from"`.
    PromoteFrom,
    /// `"soak"`.
    Soak,
}

/// The push that asks for a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A push to this branch.
    Branch(BranchName),
    /// A push of a tag that this glob matches, such as `rc-*`; a star also matches `/`.
    Tag(TagGlob),
}

/// A glob over tag names.
#[derive(Debug, Clone)]
pub struct TagGlob {
    written: String,
    matcher: globset::GlobMatcher,
}

impl TagGlob {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 255 || text.contains('\\') {
            return Err(
                "a tag glob is 1 to 255 characters without a backslash, such as rc-*".to_owned(),
            );
        }
        let glob = globset::Glob::new(text).map_err(|error| error.kind().to_string())?;
        Ok(Self {
            written: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it matches the short name of a tag.
    pub fn matches(&self, tag: &str) -> bool {
        self.matcher.is_match(tag)
    }
}

impl PartialEq for TagGlob {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for TagGlob {}

/// Where the new image reference is written after a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `repo`: the other git repository, as git's URL.
    pub repo: Line,
    /// `file`: the path in it; `{env}` and `{component}` stand for their names.
    pub file: Template,
    /// `field`: the field or marked line in the file; `{env}` and `{component}` likewise.
    pub field: Template,
}
