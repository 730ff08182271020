//! What the rules would say of a deployment, before anybody signs: for `check`, and for the way of a commit that `show` tells.
//!
//! The very function that decides for a writer answers here, on the ledgers as of the last fetch.

use super::build_deployment::{ComposeError, DeploymentSpec, compose};
use crate::clock;
use crate::domain::entry::{Action, Deployment, DeploymentKind, Start, Statement};
use crate::domain::id::RunId;
use crate::domain::name::Person;
use crate::domain::policy::Environment;
use crate::domain::verdict::Verdict;
use crate::git::repo::Repository;
use crate::ledger::Project;
use crate::ledger::writer::{AppendError, Draft, Manner, Stopped, Writer};

/// What would be asked for, and what the rules say.
#[derive(Debug)]
pub struct Answer {
    /// The entry that would be written.
    pub statement: Statement,
    /// What the rules say of it.
    pub verdict: Verdict,
}

impl Answer {
    /// The deployment that was asked about.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.statement.deployment()
    }
}

/// Why the rules could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It cannot be said what would be deployed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The facts could not be read.
    #[error(transparent)]
    Facts(#[from] AppendError),
    /// Nobody is in force to ask.
    #[error("no policy is in force")]
    NoPolicy,
}

/// Who asks, where.
pub struct Asker<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The project.
    pub project: &'a Project,
    /// The remote whose branches count, if there is one. It is not contacted.
    pub remote: Option<&'a str>,
}

impl Asker<'_> {
    /// What the rules would say if this person started the deployment now.
    pub fn start(&self, by: &Person, wish: &DeploymentSpec<'_>) -> Result<Answer, AskError> {
        let writer = Writer {
            repository: self.repository,
            project: self.project,
            remote: self.remote,
            person: by,
            signer: None,
            manner: Manner {
                dry_run: true,
                ..Manner::default()
            },
            synced: false,
        };
        let asked = writer.ask(&wish.rules.ledger, &|view| {
            let policy = view.policy.ok_or(AskError::NoPolicy)?;
            let mut deployment = compose(view, policy, wish)?;
            deployment.expires = expiry(wish.rules);
            // Nobody will ever see this run.
            let start = Start {
                run: RunId([0; 16]),
                deployment,
            };
            let environment = wish.rules.is_pattern().then(|| wish.name.clone());
            Ok(Draft {
                environment,
                ..Draft::from(Action::Start(start))
            })
        });
        match asked {
            Ok((statement, verdict)) => Ok(Answer { statement, verdict }),
            Err(Stopped::Draft(error)) => Err(error),
            Err(Stopped::Append(error)) => Err(error.into()),
        }
    }
}

/// An ephemeral environment lives as long as it may unless somebody says otherwise.
fn expiry(rules: &Environment) -> Option<crate::domain::time::Time> {
    rules
        .ephemeral
        .map(|ephemeral| clock::now().plus(ephemeral.ttl))
}

/// Who would start such a deployment where nobody says: the first of those who may.
pub fn first_deployer(rules: &Environment, kind: DeploymentKind) -> Option<&Person> {
    let members = match kind {
        DeploymentKind::Rollback => &rules.rollback_by,
        DeploymentKind::Hotfix => rules
            .hotfix
            .as_ref()
            .map_or(&rules.deployers, |hotfix| &hotfix.by),
        _ => &rules.deployers,
    };
    members.persons().first()
}
