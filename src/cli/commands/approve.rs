//! `git deploy approve`: signs an approval of a deployment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::append_report::{self, How};
use crate::cli::deployment_request::{DeploymentRequest, Place, deployment, to_change};
use crate::cli::env_args::EnvRev;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{self, Action, Deployment};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Bind, Environment};
use crate::domain::text::Line;
use crate::domain::time::Span;
use crate::ledger::writer::{Draft, View};
use crate::run::default_description::describe;
use crate::view::grouping::counted;
use crate::view::plan::digests;
use crate::view::{result_text, wrap};

/// Sign an approval of a commit for an environment
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: EnvRev,
    /// The component it is given for; can be repeated; without it those that a deployment would change
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// How long it counts, such as 8h or 2d; without it as long as the policy lets it
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// Approve also that components which the commit no longer has are removed
    #[arg(long)]
    destroy: bool,
    /// The plan that it is given for, by its digest; can be repeated
    #[arg(long = "plan", value_name = "COMPONENT=DIGEST", value_parser = plan)]
    plans: Vec<(ComponentName, Digest)>,
    /// The plans that it is given for: a file that git deploy plan --json printed
    #[arg(long = "plans", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A remark
    #[arg(short, long, value_parser = append_report::line)]
    message: Option<Line>,
    #[command(flatten)]
    how: How,
}

/// How many days an approval is valid if the policy requires no approvals.
const DAYS: u64 = 7;

/// Writes an approval of the deployment that `git deploy run` would start now.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let (name, rev) = args.at.find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    let commit = workspace.commit(rev.unwrap_or("HEAD"))?;
    let plans = plans(args, &name)?;
    // Describes the deployment of the last attempt; printed once the entry is written.
    let approved: RefCell<Vec<String>> = RefCell::default();
    let appended = workspace.append(context, &place.ledger, args.how.manner(), &|view| {
        let deployment = wanted(args, &place, view, commit)?;
        *approved.borrow_mut() = shown(&deployment, view, context.width())?;
        let components: Vec<ComponentName> = deployment
            .changed()
            .map(|change| change.target.component.clone())
            .collect();
        if let Some(stray) = plans.keys().find(|name| !components.contains(name)) {
            return Err(Failure::new(
                Kind::Usage,
                format!("{stray} would not change, so no plan of it can be approved"),
            ));
        }
        let (_, rules) = place.rules(view)?;
        let approve = entry::Approve {
            commit,
            components,
            plans: plans.clone(),
            expires: context
                .now()
                .max(view.head.chain.at)
                .plus(args.expires.unwrap_or_else(|| longest(rules))),
            comment: args.message.clone(),
        };
        Ok(Draft {
            environment: place.named.clone(),
            ..Action::Approve(approve).into()
        })
    })?;
    for line in approved.into_inner() {
        context.print(line);
    }
    if plans.is_empty() && binds_plans(&workspace, &place) {
        context.mention(format_args!(
            "{} has seats that are bound to a plan: this approval names none, and does not fill those.",
            place.name
        ));
    }
    let Action::Approve(approve) = &appended.statement.action else {
        return Ok(());
    };
    let names: Vec<&str> = approve
        .components
        .iter()
        .map(ComponentName::as_str)
        .collect();
    let (by, until) = (&appended.statement.by, context.until(approve.expires));
    let commit = commit.0.prefix(7);
    let sentence = format!(
        "{by} approves {} ({commit}) for {}, {until}.",
        counted(&names),
        place.name
    );
    append_report::tell(context, &sentence, &appended)
}

/// Parses `COMPONENT=DIGEST`, as in `api=sha256:…`.
fn plan(text: &str) -> Result<(ComponentName, Digest), String> {
    let (name, digest) = text.split_once('=').ok_or("it is COMPONENT=DIGEST")?;
    Ok((
        name.parse().map_err(|error| format!("{error}"))?,
        digest.parse().map_err(|error| format!("{error}"))?,
    ))
}

/// Collects the plans named with `--plan` and those in the file of `--plans`. A plan named with
/// `--plan` wins.
fn plans(args: &Args, name: &EnvName) -> Result<BTreeMap<ComponentName, Digest>, Failure> {
    let mut plans = BTreeMap::new();
    if let Some(file) = &args.file {
        let cannot = || format!("cannot read the plans in {}", file.display());
        let bytes = std::fs::read(file).or_fail(Kind::CannotTell, cannot())?;
        plans = digests(&bytes, name).or_fail(Kind::Usage, cannot())?;
    }
    plans.extend(args.plans.iter().cloned());
    Ok(plans)
}

/// Computes the deployment to approve.
///
/// # Errors
///
/// Fails if the deployment would change nothing.
fn wanted(
    args: &Args,
    place: &Place,
    view: &View<'_>,
    commit: CommitId,
) -> Result<Deployment, Failure> {
    let wanted = DeploymentRequest {
        commit,
        selection: to_change(&args.components),
        kind: entry::DeploymentKind::Deploy,
        destroy: args.destroy,
        versions: &BTreeMap::new(),
    };
    let deployment = deployment(place, view, &wanted)?;
    if deployment.changed().next().is_none() {
        let words = format!(
            "{} would change nothing in {}: there is nothing to approve",
            commit.short(),
            place.name
        );
        return Err(Failure::new(Kind::Usage, words).hint("the same command with --component NAME"));
    }
    Ok(deployment)
}

/// Describes the deployment in lines of text: the changed components and the subjects of their
/// commits.
fn shown(
    deployment: &Deployment,
    view: &View<'_>,
    width: Option<usize>,
) -> Result<Vec<String>, Failure> {
    let mut lines = result_text::changes(deployment, width);
    let subjects = describe(view.repository, deployment)
        .or_fail(Kind::CannotTell, "cannot read what is approved")?;
    lines.extend(
        subjects
            .iter()
            .flat_map(|text| text.as_str().lines())
            .flat_map(|line| wrap::below("  ", 4, line, width)),
    );
    Ok(lines)
}

/// Returns the longest validity that any approval requirement of the environment allows.
fn longest(rules: &Environment) -> Span {
    rules
        .approvals
        .iter()
        .map(|seat| seat.expires)
        .max()
        .unwrap_or(Span::days(DAYS))
}

fn binds_plans(workspace: &Workspace, place: &Place) -> bool {
    let rules = workspace.policy.environment(&place.name);
    rules.is_some_and(|rules| rules.approvals.iter().any(|seat| seat.bind == Bind::Plan))
}
