//! `git deploy build`: records the result of a build.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::deployment_request::{find_built_component, find_content};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{Action, Build, BuildResult};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::text::Line;

/// Record the result of a build (builds nothing)
///
/// Register what the build produced with `git deploy register`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Record a successful build of HEAD:
    git deploy build --component api

  Record a failed build with its log:
    git deploy build --component api --failed --log https://ci.example/42")]
pub struct Args {
    /// The commit, or the environment that runs it
    #[arg(default_value = "HEAD")]
    rev: String,
    /// The component that was built. Optional if there is only one
    #[arg(short, long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// Record that the build failed
    #[arg(long)]
    failed: bool,
    /// The URL of the build log
    #[arg(long, value_name = "URL", value_parser = append_report::parse_line)]
    log: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes the result of a build to the ledger `evidence`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let commit = workspace.resolve_commit(&args.rev)?;
    let result = if args.failed {
        BuildResult::Failed
    } else {
        BuildResult::Succeeded
    };
    let appended = workspace.append(
        ui,
        &LedgerName::evidence(),
        args.write.append_options(),
        &|snapshot| {
            let policy = snapshot
                .policy
                .ok_or_else(|| CliError::new(ErrorKind::CannotTell, "no policy is in force"))?;
            let component = find_built_component(policy, args.component.as_ref())?;
            find_content(snapshot, policy, commit, &component)?;
            Ok(Action::Build(Build {
                component,
                commit,
                result,
                log: args.log.clone(),
            })
            .into())
        },
    )?;
    let Action::Build(build) = &appended.statement.action else {
        return Ok(());
    };
    let outcome = if args.failed {
        "could not be built"
    } else {
        "was built"
    };
    let sentence = format!(
        "{} ({}) {outcome}, as recorded by {}.",
        build.component,
        commit.0.prefix(7),
        appended.statement.by
    );
    append_report::report_entry(ui, &sentence, &appended)
}
