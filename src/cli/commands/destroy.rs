//! `git deploy destroy`: destroys an ephemeral environment.

use crate::cli::deploy_runner::{Carrying, Deploying, everything};
use crate::cli::deployment_request::Place;
use crate::cli::env_args::OnlyEnv;
use crate::cli::workspace::{Workspace, entry_name};
use crate::cli::{Context, Failure, Kind, append_report};
use crate::domain::entry;
use crate::domain::name::Person;
use crate::domain::state::Scope;
use crate::domain::text::{Description, Line};
use crate::ledger::writer::View;
use crate::view::destroyed::{Destroyed, Environment, Outcome};
use crate::view::result_text;

/// Take an ephemeral environment down: all that runs there, each component after those that depend on it
///
/// What failed is recorded as failed, and the same command goes on with what is left. An environment that is not there needs nothing done.
/// Exits with 4 where one of the policy's commands failed.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// Pass over the rules; the reason is shown for ever
    #[arg(long, value_name = "REASON", value_parser = append_report::line)]
    break_glass: Option<Line>,
    /// Who asked for it
    #[arg(long, value_name = "PERSON")]
    requested_by: Option<Person>,
    /// Why
    #[arg(short, long, value_parser = append_report::description)]
    message: Option<Description>,
    #[command(flatten)]
    carrying: Carrying,
}

/// Destroys an ephemeral environment. Succeeds if it does not exist.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let name = args.at.find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    if place.named.is_none() {
        return Err(Failure::new(Kind::Usage, format!("{name} is not ephemeral: it is not destroyed as a whole"))
            .hint(format!(
                "git deploy run {name} REV --destroy, which removes the components that REV no longer has"
            )));
    }
    let state = workspace.state(&place.ledger, &Scope::All)?;
    let here = state.environment(place.named.as_ref());
    let tell = |outcome, entry, why| {
        let it = Environment {
            name: name.clone(),
            expires: here.expires(),
            outcome,
            why,
            entry,
        };
        context.report(
            "destroyed",
            &Destroyed {
                dry_run: false,
                environments: vec![it],
            },
        )
    };
    if !here.exists() {
        context.say(format_args!(
            "{name} is not there: nothing is to be destroyed."
        ));
        return if context.json() {
            tell(Outcome::Absent, None, None)
        } else {
            Ok(())
        };
    }
    let (person, _) = workspace.signer()?;
    let deploying = Deploying::new(context, &workspace, &place, &args.carrying)?
        .requested_by(args.requested_by.as_ref());
    let compose = |view: &View<'_>| {
        let gone = || {
            Failure::new(
                Kind::CannotTell,
                format!("{name} is gone: somebody else was faster"),
            )
        };
        let mut deployment = everything(&place, view, &|_| Ok(()))?.ok_or_else(gone)?;
        deployment.description.clone_from(&args.message);
        deployment.break_glass.clone_from(&args.break_glass);
        Ok(deployment)
    };
    let ask = || {
        let agreed = context.confirm(&format!("Destroy {name}?"))?;
        agreed
            .then_some(())
            .ok_or_else(|| Failure::new(Kind::Denied, "nothing was destroyed"))
    };
    let (appended, result) = deploying.destroy(&person, &compose, &ask)?;
    let sentence = result_text::how_it_ended(
        name.as_str(),
        entry::DeploymentKind::Destroy,
        &appended.statement.component_results(),
    );
    context.print(append_report::with_entry(
        context,
        &sentence,
        &entry_name(&place.ledger, appended.id),
    ));
    if context.json() {
        let outcome = if result.is_ok() {
            Outcome::Destroyed
        } else {
            Outcome::Failed
        };
        tell(
            outcome,
            Some(appended.id),
            result.is_err().then(|| sentence.clone()),
        )?;
    }
    result
}
