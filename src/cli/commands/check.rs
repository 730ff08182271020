//! `git deploy check`: whether the rules would allow a deployment, and what is missing. Needs
//! neither a key nor a network.

use std::collections::BTreeMap;

use crate::cli::deployment_request::to_change;
use crate::cli::env_args::EnvRev;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, read_context};
use crate::domain::entry::DeploymentKind;
use crate::domain::name::{ComponentName, Person};
use crate::domain::verdict::Decision;
use crate::run::build_deployment::{Commits, ComposeError, DeploymentSpec};
use crate::run::preview::{AskError, Asker, first_deployer};
use crate::view::check::{self, Check};

/// Say whether the rules would allow a deployment, and what is missing
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: EnvRev,
    /// Only this component, whether it differs or not; may be given several times
    #[arg(long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// As a way back to a release that ran well here
    #[arg(long, conflicts_with = "hotfix")]
    rollback: bool,
    /// As a repair on top of what runs
    #[arg(long)]
    hotfix: bool,
    /// As if this person started it; otherwise you or, where you are unknown, the first who may
    #[arg(long, value_name = "PERSON")]
    by: Option<Person>,
}

/// Checks a deployment against the rules, prints the verdict, and fails unless they allow it.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    read_context::problems(&workspace, context)?;
    let (name, rev) = args.at.find(&workspace, context)?;
    let (name, rules) = workspace.environment(name.as_str())?;
    let commit = workspace.commit(rev.unwrap_or("HEAD"))?;
    let kind = match (args.rollback, args.hotfix) {
        (true, _) => DeploymentKind::Rollback,
        (false, true) => DeploymentKind::Hotfix,
        (false, false) => DeploymentKind::Deploy,
    };
    let by = args
        .by
        .clone()
        .or_else(|| read_context::asker(&workspace))
        .or_else(|| first_deployer(rules, kind).cloned());
    let by =
        by.ok_or_else(|| Failure::new(Kind::CannotTell, format!("nobody may deploy to {name}")))?;
    let selection = to_change(&args.components);
    let (commits, versions) = (Commits::One(commit), BTreeMap::new());
    let wish = DeploymentSpec {
        name: &name,
        rules,
        commits,
        selection,
        kind,
        destroy: false,
        versions,
    };
    let asker = Asker {
        repository: &workspace.repository,
        project: &workspace.project,
        remote: workspace.remote.as_deref(),
    };
    let answer = asker
        .start(&by, &wish)
        .map_err(|error| unasked(error, name.as_str()))?;
    // A start always has a deployment.
    let Some(deployment) = answer.deployment() else {
        return Err(Failure::told(Kind::CannotTell));
    };
    let shown = Check {
        environment: &name,
        commit,
        by: &by,
        deployment,
        verdict: &answer.verdict,
    };
    if context.json() {
        context.report("check", &check::json(&shown))?;
    } else {
        context.print(check::text(&shown, context.width()));
        read_context::age(&workspace, context);
    }
    match answer.verdict.decision() {
        Decision::Allowed => Ok(()),
        Decision::Refused => Err(Failure::told(Kind::Denied)),
        Decision::CannotTell => Err(Failure::told(Kind::CannotTell)),
    }
}

/// Turns the reason why there is no deployment to check into the command's error.
fn unasked(error: AskError, name: &str) -> Failure {
    let kind = match &error {
        AskError::Compose(
            ComposeError::Unknown(_) | ComposeError::Absent { .. } | ComposeError::Nothing(_),
        ) => Kind::Usage,
        _ => Kind::CannotTell,
    };
    Failure::new(kind, format!("cannot say what would be deployed to {name}")).because(error)
}
