//! `git deploy resume`: takes over an unfinished run and continues from what is recorded.

use crate::cli::deploy_runner::{Begun, Carrying, Deploying, Stage};
use crate::cli::deployment_request::{self, Place};
use crate::cli::env_args::OnlyEnv;
use crate::cli::progress::Progress;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::clock;
use crate::domain::entry::{self, Action, Deployment, Resume};
use crate::domain::id::RunId;
use crate::domain::state::{OpenRun, Scope};
use crate::view::result_text;

/// Take an unfinished deployment over, and carry it out to its end
///
/// For a run whose program was killed, or lost its machine. Everything that it was to change is planned anew; whoever ran it goes no further.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// The run to take over, by its number; without it the only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    #[command(flatten)]
    carrying: Carrying,
}

/// What is known of the run before it is taken over.
struct Found {
    sequence: u64,
    owner: u64,
    deployment: Deployment,
    told: String,
}

/// Takes over a run after confirmation, plans it again, and runs it to its end.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let place = match Place::dropped(&workspace, args.at.word()) {
        Some(place) => place,
        None => Place::find(&workspace, args.at.find(&workspace, context)?.as_str())?,
    };
    let known = workspace.state(&place.ledger, &Scope::All)?;
    let found = found(
        context,
        &place,
        deployment_request::pick(
            args.run,
            "resume",
            context,
            &place,
            known.environment(place.named.as_ref()).runs(),
        )?,
    )?;
    if found.deployment.kind == entry::DeploymentKind::Exec {
        return Err(
            Failure::new(Kind::Usage, "a one-off command is not run again by itself").hint(
                format!(
                    "git deploy abort {} --run {} -m REASON",
                    place.name, found.sequence
                ),
            ),
        );
    }
    context.say(format_args!("{}", found.told));
    for line in result_text::changes(&found.deployment, context.width()) {
        context.print(line);
    }
    if !context.confirm("Is it dead, and to be taken over?")? {
        return Err(Failure::new(Kind::Denied, "nothing was done"));
    }
    workspace.signer()?;
    let deploying = Deploying::new(context, &workspace, &place, &args.carrying)?;
    let run = RunId(clock::random().or_fail(Kind::CannotTell, "cannot begin a run")?);
    deploying.append(&|view| {
        let state = view
            .state(&place.ledger, &Scope::All)
            .or_fail(Kind::CannotTell, "cannot read the ledger")?;
        let owner = state
            .environment(place.named.as_ref())
            .run(found.sequence)
            .map(|run| run.owner.statement.clone());
        match owner {
            // If two clients take over at once, the second one gives way.
            Some(owner) if owner.sequence != found.owner => {
                let words = format!("{} has taken the run over just now", owner.by);
                Err(Failure::new(Kind::Denied, words)
                    .hint(format!("git deploy status {}", place.name)))
            }
            None => Err(Failure::new(
                Kind::Denied,
                format!("run {} is over", found.sequence),
            )),
            Some(_) => Ok(Action::Resume(Resume {
                start: found.sequence,
                run,
            })),
        }
    })?;
    let begun = Begun {
        sequence: found.sequence,
        run,
        deployment: found.deployment,
    };
    let stage = Stage::new(&deploying, &begun.deployment)?;
    let progress = Progress::new(context, stage.names);
    let plans = deploying.plan_again(&stage, &progress, &begun)?;
    deploying.carry(&stage, &progress, &begun, &plans)
}

fn found(context: &Context, place: &Place, run: OpenRun<'_>) -> Result<Found, Failure> {
    let deployment = run.deployment().cloned();
    let deployment = deployment.ok_or_else(|| {
        Failure::new(
            Kind::CannotTell,
            format!("the run {} cannot be read", run.sequence),
        )
    })?;
    let owner = &run.owner.statement;
    let told = format!(
        "Run {} in {} is {}'s, {}.",
        run.sequence,
        place.name,
        owner.by,
        context.when(owner.at)
    );
    Ok(Found {
        sequence: run.sequence,
        owner: owner.sequence,
        deployment,
        told,
    })
}
