//! `git deploy good`: the last known good release of each component, which a rollback would go back
//! to.

use std::collections::BTreeSet;

use crate::cli::env_args::OnlyEnv;
use crate::cli::read_context;
use crate::cli::rollback_targets::{attempted, shown};
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind};
use crate::domain::name::ComponentName;
use crate::view::good;

/// Show the last known good commit of each component
///
/// Good is what succeeded and was verified by the newest word, is not on hold and is not yanked; where nothing verifies a component, what succeeded.
/// Exits with 1 where a component has none.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// Only this component; can be repeated
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// Prints the last known good release of each component, and fails if one of them has none.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    read_context::problems(&workspace, context)?;
    let name = args.at.find(&workspace, context)?;
    let mut places = read_context::places(&workspace, Some(name.as_str()))?;
    let Some(place) = places.pop() else {
        return Err(Failure::told(Kind::CannotTell));
    };
    let mut wanted: BTreeSet<ComponentName> = attempted(&workspace, &place);
    for component in &args.components {
        if !wanted.contains(component) {
            crate::cli::deployment_request::known(&workspace.policy, component)?;
        }
    }
    if !args.components.is_empty() {
        wanted = args.components.iter().cloned().collect();
    }
    if wanted.is_empty() {
        return Err(Failure::new(
            Kind::Denied,
            format!("nothing was deployed to {} yet", place.name),
        ));
    }
    let good = shown(&workspace, &place, wanted, &|_, _| true)?;
    if context.json() {
        context.report("good", &good)?;
    } else {
        context.print(good::text(&good, context.width(), &|time| {
            context.when(time)
        }));
        read_context::age(&workspace, context);
    }
    if good.components.iter().all(|it| it.good.is_some()) {
        Ok(())
    } else {
        Err(Failure::told(Kind::Denied))
    }
}
