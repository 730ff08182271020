//! `git deploy approve`: signs an approval of a deployment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::deployment_request::{
    DeploymentRequest, build_requested, find_rules, select_to_change,
};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{self, Action, Approve, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::policy::Environment;
use crate::domain::rules::{ApprovalRefusal, SKEW};
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};
use crate::run::default_description::build_description;
use crate::run::proposed_approval::refuse_proposed_approval;
use crate::view::grouping::list_or_count;
use crate::view::plan::read_digests;
use crate::view::{result_text, wrap};

/// Approve a commit for an environment
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Approve HEAD for production:
    git deploy approve prod

  Approve a commit for one day, with a comment:
    git deploy approve prod v1.5.0 --expires 1d -m \"Canary looks good\"

  Approve exactly the plans that were reviewed:
    git deploy plan prod --json > plans.json
    git deploy approve prod --plans plans.json")]
pub struct Args {
    #[command(flatten)]
    at: EnvRevArgs,
    /// Approve only this component (repeatable). Defaults to all that a deployment would change
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// How long the approval is valid, such as 8h or 2d
    ///
    /// Defaults to the policy's maximum.
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// Also approve removing components that the commit no longer has
    #[arg(long)]
    destroy: bool,
    /// Approve this plan (repeatable)
    #[arg(hide_short_help = true, long = "plan", value_name = "COMPONENT=DIGEST", value_parser = parse_plan)]
    plans: Vec<(ComponentName, Digest)>,
    /// Approve the plans in the output of `git deploy plan --json`
    #[arg(long = "plans", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the approval even if it does not count
    ///
    /// For example as a comment by an author of the new commits.
    #[arg(hide_short_help = true, long)]
    anyway: bool,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// How many days an approval is valid if the policy requires no approvals.
const DEFAULT_VALIDITY_DAYS: u64 = 7;

/// The hint for an approval that would not count.
const ANYWAY_HINT: &str = "to write it nevertheless, repeat the command with --anyway";

/// Writes an approval of the deployment that `git deploy run` would start now.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (name, rev) = args.at.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    let plans = collect_plans(args, &name, commit)?;
    // Describes the deployment. Each attempt to write the entry replaces it.
    let description: RefCell<Vec<String>> = RefCell::default();
    let refusal: Cell<Option<ApprovalRefusal>> = Cell::default();
    let appended = workspace.append(ui, env.ledger(), args.write.append_options(), &|view| {
        let deployment = compose_approved(args, &env, view, commit)?;
        *description.borrow_mut() = describe_approved(&deployment, view, ui.width())?;
        let (policy, rules) = find_rules(&env, view)?;
        let now = ui.now().max(view.tip.chain.at);
        let approve = draft_approval(args, commit, &deployment, &plans, now, rules)?;
        let by = workspace.identify_signer()?;
        let judged = (&env, &deployment);
        match refuse_proposed_approval(view, policy, judged, (&by, &approve), now) {
            Ok(found) if args.anyway => refusal.set(found),
            Ok(None) => {}
            Ok(Some(found)) => return Err(explain_refused_approval(&env, &by, commit, found)),
            Err(_) if args.anyway => {}
            Err(why) => return Err(explain_unknown_approval(&env, why)),
        }
        Ok(EntryDraft::in_environment(&env, Action::Approve(approve)))
    })?;
    for line in description.into_inner() {
        ui.print(line);
    }
    if let Some(refusal) = refusal.into_inner() {
        ui.eprint_sentence(format_args!("This approval does not count: {refusal}."));
    }
    let Action::Approve(approve) = &appended.statement.action else {
        return Ok(());
    };
    let names: Vec<&str> = approve
        .components
        .iter()
        .map(ComponentName::as_str)
        .collect();
    let (by, until) = (&appended.statement.by, ui.format_deadline(approve.expires));
    let commit = commit.0.prefix(7);
    let sentence = format!(
        "{by} approves {} ({commit}) for {}, {until}.",
        list_or_count(&names),
        env.name()
    );
    append_report::report_entry(ui, &sentence, &appended)
}

/// Parses `COMPONENT=DIGEST`, as in `api=sha256:…`.
fn parse_plan(text: &str) -> Result<(ComponentName, Digest), String> {
    let (name, digest) = text.split_once('=').ok_or("expected COMPONENT=DIGEST")?;
    Ok((
        name.parse().map_err(|error| format!("{error}"))?,
        digest.parse().map_err(|error| format!("{error}"))?,
    ))
}

/// Collects the plans named with `--plan` and those in the file of `--plans`. `--plan` overrides
/// the file.
fn collect_plans(
    args: &Args,
    name: &EnvName,
    commit: CommitId,
) -> Result<BTreeMap<ComponentName, Digest>, CliError> {
    let mut plans = BTreeMap::new();
    if let Some(file) = &args.file {
        let cannot_read = || format!("cannot read the plans in {}", file.display());
        let bytes = std::fs::read(file).context(ErrorKind::CannotTell, cannot_read())?;
        let planned;
        (planned, plans) = read_digests(&bytes, name).context(ErrorKind::Usage, cannot_read())?;
        if planned != commit && !args.anyway {
            let (planned, commit) = (planned.short(), commit.short());
            let file = file.display();
            return Err(CliError::new(
                ErrorKind::Denied,
                format!("the plans in {file} are for {planned}, not for {commit}"),
            )
            .hint(format!(
                "git deploy approve {name} {planned} --plans {file}"
            ))
            .hint(ANYWAY_HINT));
        }
    }
    plans.extend(args.plans.iter().cloned());
    Ok(plans)
}

/// Returns the approval of a deployment.
///
/// # Errors
///
/// Fails if a plan is for a component that would not change.
fn draft_approval(
    args: &Args,
    commit: CommitId,
    deployment: &Deployment,
    plans: &BTreeMap<ComponentName, Digest>,
    now: Time,
    rules: &Environment,
) -> Result<Approve, CliError> {
    let components: Vec<ComponentName> = deployment
        .changed()
        .map(|change| change.target.component.clone())
        .collect();
    if let Some(unchanged) = plans.keys().find(|name| !components.contains(name)) {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{unchanged} would not change, so its plan cannot be approved"),
        ));
    }
    Ok(Approve {
        commit,
        components,
        plans: plans.clone(),
        expires: now.plus(args.expires.unwrap_or_else(|| longest_validity(rules))),
        comment: args.message.clone(),
    })
}

/// Computes the deployment to approve.
///
/// # Errors
///
/// Fails if the deployment would change nothing.
fn compose_approved(
    args: &Args,
    env: &EnvRef,
    view: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Deployment, CliError> {
    let request = DeploymentRequest {
        commit,
        selection: select_to_change(&args.components),
        kind: entry::DeploymentKind::Deploy,
        destroy: args.destroy,
        versions: &BTreeMap::new(),
    };
    let deployment = build_requested(env, view, &request)?;
    if deployment.changed().next().is_none() {
        let message = format!(
            "{} would change nothing in {}: there is nothing to approve",
            commit.short(),
            env.name()
        );
        return Err(CliError::new(ErrorKind::Usage, message)
            .hint("repeat the command with --component NAME"));
    }
    Ok(deployment)
}

/// Returns the error for an approval that would not count.
fn explain_refused_approval(
    env: &EnvRef,
    by: &Person,
    commit: CommitId,
    refusal: ApprovalRefusal,
) -> CliError {
    let (name, commit) = (env.name(), commit.short());
    let message = format!("an approval by {by} would not count in {name}");
    match refusal {
        ApprovalRefusal::OtherPlan => CliError::new(
            ErrorKind::Denied,
            format!("{message}: it must name the plan of each component with a plan command, and no other (bind = \"plan\")"),
        )
        .hint(format!("git deploy plan {name} {commit} --json > plans.json"))
        .hint(format!("git deploy approve {name} {commit} --plans plans.json")),
        ApprovalRefusal::Expired => CliError::new(
            ErrorKind::Denied,
            format!("{message}: an approval must be valid for more than {SKEW}, the tolerance for clocks"),
        ),
        refusal => CliError::new(ErrorKind::Denied, format!("{message}: {refusal}")),
    }
    .hint(ANYWAY_HINT)
}

/// Returns the error if a fact is missing that decides whether an approval would count.
fn explain_unknown_approval(env: &EnvRef, why: String) -> CliError {
    CliError::new(
        ErrorKind::CannotTell,
        format!(
            "cannot tell whether this approval would count in {}",
            env.name()
        ),
    )
    .because(why)
    .hint(ANYWAY_HINT)
}

/// Describes the deployment in lines of text: the changed components and the subjects of their
/// commits.
fn describe_approved(
    deployment: &Deployment,
    view: &LedgerSnapshot<'_>,
    width: Option<usize>,
) -> Result<Vec<String>, CliError> {
    let mut lines = result_text::render_changes(deployment, width);
    let subjects = build_description(view.repository, deployment)
        .context(ErrorKind::CannotTell, "cannot read what is approved")?;
    lines.extend(
        subjects
            .iter()
            .flat_map(|text| text.as_str().lines())
            .flat_map(|line| wrap::wrap_indented("  ", 4, line, width)),
    );
    Ok(lines)
}

/// Returns the longest validity that any approval requirement of the environment allows, or the
/// default if it requires no approvals.
fn longest_validity(rules: &Environment) -> Span {
    rules
        .approvals
        .iter()
        .map(|requirement| requirement.expires)
        .max()
        .unwrap_or(Span::from_days(DEFAULT_VALIDITY_DAYS))
}
