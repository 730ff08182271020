//! `git deploy approve`: signs an approval of a deployment, a removal or a command.

mod subject;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::deployment_notes::{self, NotesOnce};
use crate::cli::deployment_request::find_environment_policy;
use crate::cli::exposed_secrets::refuse_exposed_secrets;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::entry::{Action, ApprovalPurpose, Approve, Deployment, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::policy::Environment;
use crate::domain::rules::{ApprovalRefusal, SKEW, has_listed_key};
use crate::domain::state::Scope;
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::input_file::read_regular_file;
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};
use crate::run::new_commits::build_description;
use crate::run::proposed_approval::refuse_proposed_approval;
use crate::view::grouping::list_or_count;
use crate::view::plan::{MAX_DOCUMENT_BYTES, read_plans};
use crate::view::{result_text, wrap};

/// Approve a commit for an environment
///
/// An approval is for one thing: a deployment, with --destroy a removal, or with --exec one command.
/// If you have approved the same already, nothing is signed; --expires extends it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Approve HEAD for production:
    git deploy approve prod

  Approve a commit for one day, with a comment:
    git deploy approve prod v1.5.0 --expires 1d -m \"Canary looks good\"

  Approve exactly the plans that were reviewed:
    git deploy plan prod --json > plans.json
    git deploy approve prod --plans plans.json

  Approve the removal of components that the commit no longer has:
    git deploy approve prod --destroy

  Approve running one command:
    git deploy approve prod --component api --exec -- ./manage migrate")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    /// Approve only this component (repeatable). Defaults to all that a deployment would change
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// How long the approval is valid, such as 8h or 2d
    ///
    /// Defaults to the policy's maximum.
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// Approve the removal of components that the commit no longer has
    ///
    /// In an ephemeral environment without such components, approve its destruction.
    #[arg(long)]
    destroy: bool,
    /// Approve running this command with `git deploy exec`, and no other
    ///
    /// Must be the last option. The command is the same as for `git deploy exec`. The commit is the
    /// running one of the component.
    #[arg(hide_short_help = true, long, value_name = "COMMAND", num_args = 1..)]
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["destroy", "named_plans", "plans_file"])]
    exec: Vec<OsString>,
    /// Approve this plan (repeatable)
    #[arg(hide_short_help = true, long = "plan", value_name = "COMPONENT=DIGEST", value_parser = parse_plan)]
    named_plans: Vec<(ComponentName, Digest)>,
    /// Approve the plans in the output of `git deploy plan --json`
    #[arg(long = "plans", value_name = "FILE")]
    plans_file: Option<PathBuf>,
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

/// The number of days that an approval is valid if the policy requires no approvals.
const DEFAULT_VALIDITY_DAYS: u64 = 7;

/// The hint for an approval that would not count.
const ANYWAY_HINT: &str = "to write it nevertheless, repeat the command with --anyway";

/// Writes an approval of the deployment that `git deploy run` would start now.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    // The entry has only a digest of the command, which is printed.
    let words: Vec<_> = args.exec.iter().map(|it| it.to_string_lossy()).collect();
    refuse_exposed_secrets(&workspace.policy, &words)?;
    let named_commit = rev.map(|rev| workspace.resolve_commit(rev)).transpose()?;
    let head = || workspace.resolve_commit("HEAD");
    let plans = collect_plans(args, ui, &name, &|| named_commit.map_or_else(head, Ok))?;
    // The description of the deployment. Each attempt to write the entry replaces it.
    let description: RefCell<Vec<String>> = RefCell::default();
    let refusal: Cell<Option<ApprovalRefusal>> = Cell::default();
    let notes = NotesOnce::default();
    if rev.is_none() && args.exec.is_empty() {
        deployment_notes::report_uncommitted_changes(ui, &workspace);
    }
    // The approval that would only repeat an earlier one, and when that one expires.
    let repeated: Cell<Option<(Person, Approve, Time)>> = Cell::default();
    let appended = workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
        let deployment =
            subject::build_approved_deployment(args, &env, snapshot, named_commit, &head)?;
        *description.borrow_mut() = describe_deployment(&deployment, snapshot, ui.width())?;
        notes.report(ui, &workspace, &env, snapshot, &deployment)?;
        let (policy, rules) = find_environment_policy(&env, snapshot)?;
        let now = ui.now().max(snapshot.tip.chain.at);
        let approve = draft_approval(args, &deployment, &plans, now, rules)?;
        let commit = approve.commit;
        let approver = workspace.identify_signer()?;
        match refuse_proposed_approval(
            snapshot,
            policy,
            &env,
            &deployment,
            &approver,
            &approve,
            now,
        ) {
            Ok(reason) if args.anyway => refusal.set(reason),
            Ok(None) => {}
            Ok(Some(reason)) => {
                return Err(explain_refused_approval(&env, &approver, commit, reason));
            }
            Err(_) if args.anyway => {}
            Err(why) => return Err(explain_unknown_approval(&env, why)),
        }
        if let Some(expires) = find_repeated(args, &env, snapshot, &approver, &approve)? {
            repeated.set(Some((approver, approve, expires)));
            return Err(CliError::reported(ErrorKind::Usage));
        }
        Ok(EntryDraft::in_environment(&env, Action::Approve(approve)))
    });
    if let Some((approver, approve, expires)) = repeated.into_inner() {
        let deadline = ui.format_deadline(expires);
        let sentence = describe_approval(&approve, &approver, &env, &deadline);
        ui.print_sentence(sentence.replacen(" approves", " has already approved", 1));
        return Ok(());
    }
    let appended = appended?;
    for line in description.into_inner() {
        ui.print(line);
    }
    if let Some(refusal) = refusal.into_inner() {
        ui.eprint_sentence(format_args!("This approval does not count: {refusal}."));
    }
    let Action::Approve(approve) = &appended.statement.action else {
        return Ok(());
    };
    let by = &appended.statement.by;
    let sentence = describe_approval(approve, by, &env, &ui.format_deadline(approve.expires));
    append_report::report_entry(ui, &sentence, &appended)
}

/// Returns when an approval by the same person for the same things expires. Returns `None` if there is
/// none, and if this one has a comment or a validity of its own.
fn find_repeated(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    approver: &Person,
    approve: &Approve,
) -> Result<Option<Time>, CliError> {
    if args.message.is_some() || args.expires.is_some() || args.anyway {
        return Ok(None);
    }
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let state = snapshot.load_state(env.ledger(), &Scope::All);
    let state = state.context(ErrorKind::CannotTell, "cannot read the ledger")?;
    let now = snapshot.tip.chain.at.max(clock::now());
    let expiry = |entry: &StoredEntry| match &entry.statement.action {
        Action::Approve(given)
            if entry.statement.by == *approver
                && has_listed_key(policy, entry)
                && given.purpose == approve.purpose
                && given.plans == approve.plans
                && approve
                    .components
                    .iter()
                    .all(|it| given.components.contains(it))
                && given.expires > now.plus(SKEW) =>
        {
            Some(given.expires)
        }
        _ => None,
    };
    let approvals = env.state_in(&state).approvals();
    let approvals = approvals.filter(|(commit, ..)| *commit == approve.commit);
    Ok(approvals.filter_map(|(_, _, entry)| expiry(entry)).max())
}

/// Returns the sentence that reports a written approval.
fn describe_approval(approve: &Approve, approver: &Person, env: &EnvRef, deadline: &str) -> String {
    let names: Vec<&str> = approve
        .components
        .iter()
        .map(ComponentName::as_str)
        .collect();
    let (commit, name) = (approve.commit.0.prefix(7), env.name());
    let components = format!("{} ({commit})", list_or_count(&names));
    match &approve.purpose {
        ApprovalPurpose::Deploy => {
            format!("{approver} approves {components} for {name}, {deadline}.")
        }
        ApprovalPurpose::Destroy => {
            format!("{approver} approves the removal of {components} from {name}, {deadline}.")
        }
        ApprovalPurpose::Exec { .. } => {
            format!("{approver} approves this command for {components} in {name}, {deadline}.")
        }
    }
}

/// Parses `COMPONENT=DIGEST`, as in `api=sha256:…`.
fn parse_plan(text: &str) -> Result<(ComponentName, Digest), String> {
    let (name, digest) = text.split_once('=').ok_or("expected COMPONENT=DIGEST")?;
    Ok((
        name.parse().map_err(|error| format!("{error}"))?,
        digest.parse().map_err(|error| format!("{error}"))?,
    ))
}

/// Collects the plans named with `--plan` and those in the file of `--plans`, and announces the
/// warnings of the latter. `--plan` overrides the file.
fn collect_plans(
    args: &Args,
    ui: &Ui,
    name: &EnvName,
    commit: &dyn Fn() -> Result<CommitId, CliError>,
) -> Result<BTreeMap<ComponentName, Digest>, CliError> {
    let mut plans = BTreeMap::new();
    if let Some(file) = &args.plans_file {
        let cannot_read = || format!("cannot read the plans in {}", file.display());
        let bytes = read_regular_file(file, MAX_DOCUMENT_BYTES)
            .context(ErrorKind::CannotTell, cannot_read())?;
        let earlier = read_plans(&bytes, name).context(ErrorKind::Usage, cannot_read())?;
        for (component, warning) in &earlier.warnings {
            deployment_notes::report_plan_warning(ui, component, warning);
        }
        plans = earlier.digests;
        // The commit that the plans were made for.
        let planned = earlier.commit;
        let commit = commit()?;
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
    plans.extend(args.named_plans.iter().cloned());
    Ok(plans)
}

/// Returns the approval of a deployment.
///
/// # Errors
///
/// Fails if a plan is for a component that would not change.
fn draft_approval(
    args: &Args,
    deployment: &Deployment,
    plans: &BTreeMap<ComponentName, Digest>,
    now: Time,
    rules: &Environment,
) -> Result<Approve, CliError> {
    let components: Vec<ComponentName> = deployment
        .targets()
        .map(|it| it.component.clone())
        .collect();
    let change = deployment
        .components
        .first()
        .ok_or_else(|| CliError::new(ErrorKind::Usage, "there is nothing to approve"))?;
    if let Some(unchanged) = plans.keys().find(|name| !components.contains(name)) {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{unchanged} would not change, so its plan cannot be approved"),
        ));
    }
    Ok(Approve {
        commit: change.target.commit,
        components,
        purpose: deployment.purpose_of(change),
        plans: plans.clone(),
        expires: now.plus(args.expires.unwrap_or_else(|| longest_validity(rules))),
        comment: args.message.clone(),
    })
}

/// Returns the error for an approval that would not count.
fn explain_refused_approval(
    env: &EnvRef,
    approver: &Person,
    commit: CommitId,
    refusal: ApprovalRefusal,
) -> CliError {
    let (name, commit) = (env.name(), commit.short());
    let message = format!("an approval by {approver} would not count in {name}");
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
fn describe_deployment(
    deployment: &Deployment,
    snapshot: &LedgerSnapshot<'_>,
    width: Option<usize>,
) -> Result<Vec<String>, CliError> {
    if let Some(command) = &deployment.command {
        return Ok(wrap::wrap_indented("    ", 4, command.as_str(), width));
    }
    let mut lines = result_text::render_changes(deployment, width);
    let subjects = snapshot
        .policy
        .map(|policy| build_description(snapshot.repository, policy, deployment))
        .transpose()
        .context(ErrorKind::CannotTell, "cannot read what is approved")?
        .flatten();
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
