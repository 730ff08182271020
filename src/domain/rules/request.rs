//! A request that the rules judge, and what follows from it and the policy before any fact is
//! gathered.

use super::request_kind::RequestKind;
use crate::domain::entry::Statement;
use crate::domain::id::{CommitId, PublicKey};
use crate::domain::name::EnvName;
use crate::domain::policy::{DeployOn, Environment, Policy};

/// A request that the rules judge.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// An entry in a ledger.
    Entry {
        /// Its statement.
        statement: &'a Statement,
        /// The key that signed it; `None` only for a preview, before anything is signed.
        key: Option<&'a PublicKey>,
        /// The `deploy.toml` that a `publish` publishes; `None` for any other entry.
        policy_text: Option<&'a [u8]>,
    },
    /// An update of a branch that is bound to an environment.
    Branch {
        /// The environment.
        environment: &'a EnvName,
        /// The short name of the branch.
        #[cfg_attr(
            not(any(test, feature = "testing")),
            expect(dead_code, reason = "read by tests")
        )]
        name: &'a str,
        /// The commit before the update; `None` for a creation.
        old: Option<CommitId>,
        /// The commit after the update; `None` for a deletion.
        new: Option<CommitId>,
    },
    /// An update of a tag that matches an environment's `tag` template.
    Tag {
        /// The environment.
        environment: &'a EnvName,
        /// The short name of the tag.
        name: &'a str,
        /// The commit before the update; `None` for a creation.
        old: Option<CommitId>,
        /// The commit after the update; `None` for a deletion.
        new: Option<CommitId>,
    },
}

/// A request and the policy by which it is judged, with what follows from the two.
#[derive(Debug, Clone)]
pub struct RequestContext<'a> {
    /// The policy by which the request is judged.
    pub policy: &'a Policy,
    /// The request.
    pub request: Request<'a>,
    /// The statement of the entry; `None` for a branch or tag.
    pub statement: Option<&'a Statement>,
    /// The name of the request's environment, such as `pr-17` for a member of a pattern; `None` in
    /// `policy` and `evidence`.
    pub environment_name: Option<EnvName>,
    /// The policy's settings for that environment or its pattern; `None` also if the policy has no
    /// such environment.
    pub environment: Option<&'a Environment>,
    /// The kind, which decides on the rules that the request faces.
    pub kind: RequestKind,
}

impl<'a> RequestContext<'a> {
    /// Looks up the environment and the kind of a request.
    pub fn new(policy: &'a Policy, request: Request<'a>) -> Self {
        let (statement, environment_name) = match request {
            Request::Entry { statement, .. } => (Some(statement), statement.environment()),
            Request::Branch { environment, .. } | Request::Tag { environment, .. } => {
                (None, Some(environment.clone()))
            }
        };
        // A tag update may name a pattern instead of an environment. An entry never does.
        let pattern = |name| policy.patterns.get(name).filter(|_| statement.is_none());
        let environment = environment_name
            .as_ref()
            .and_then(|name| policy.environment(name).or_else(|| pattern(name)));
        Self {
            policy,
            request,
            statement,
            environment_name,
            environment,
            kind: kind_of(&request, environment),
        }
    }
}

/// Returns the kind of a request. `environment` is `None` if the request names no environment, or
/// one that the policy does not have.
fn kind_of(request: &Request<'_>, environment: Option<&Environment>) -> RequestKind {
    match request {
        // An entry may still end a run that began while the policy had the environment.
        Request::Entry { statement, .. }
            if statement.ledger.is_environment()
                && environment.is_none()
                && !statement.action.ends_a_run() =>
        {
            RequestKind::UnknownEnvironment
        }
        Request::Entry { statement, .. } => RequestKind::of_action(&statement.action),
        Request::Branch { new: Some(_), .. }
            if environment.is_some_and(|it| it.deploy_on == DeployOn::Merge) =>
        {
            RequestKind::Merge
        }
        Request::Branch { .. } => RequestKind::Branch,
        Request::Tag { .. } => RequestKind::Tag,
    }
}
