//! `git-deploy server check`: whether a repository is really protected.

use std::path::PathBuf;

use crate::cli::diagnostics::unreadable;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::git::Error;
use crate::server::check::{self, Level};
use crate::view::server as view;

/// Look whether a repository is really protected, and push a probe that must be refused
///
/// As the user under whom git receives pushes. Each finding comes with what to type about it. It ends with 1 where the repository is not
/// protected. Nothing is changed.
#[derive(clap::Args)]
pub(in crate::cli) struct Check {
    /// The repository; without it the one of this directory
    #[arg(
        value_name = "REPOSITORY",
        default_value = ".",
        hide_default_value = true
    )]
    repository: PathBuf,
}

/// Checks the repository, prints the findings, and fails if it is not protected.
pub(super) fn run(args: &Check, context: &Context) -> Result<(), Failure> {
    let program = std::env::current_exe().or_fail(
        Kind::CannotTell,
        "cannot tell where git-deploy is installed",
    )?;
    let checked = check::check(&args.repository, &program).map_err(|error| failed(error, args))?;
    let finding = |it: &check::Finding| view::Finding {
        about: it.about.name(),
        level: match it.level {
            Level::Good => "good",
            Level::Advice => "advice",
            Level::Bad => "bad",
        },
        what: it.what.clone(),
        remedy: it.remedy.clone(),
    };
    let protected = checked.is_protected();
    let findings = checked.findings.iter().map(finding).collect();
    let told = view::Check {
        repository: checked.git_dir.display().to_string(),
        protected,
        findings,
    };
    if context.json() {
        context.report("server-check", &told)?;
    } else {
        context.print(view::text(&told, context.width()));
    }
    if protected {
        Ok(())
    } else {
        Err(Failure::told(Kind::Denied))
    }
}

fn failed(error: Error, args: &Check) -> Failure {
    let words = format!("cannot check {}", args.repository.display());
    match error {
        error @ (Error::Foreign(_) | Error::Unsupported { .. }) => unreadable(error),
        error @ Error::Open { .. } => Failure::new(Kind::Usage, words)
            .because(error)
            .hint("git-deploy server check REPOSITORY"),
        error => Failure::new(Kind::CannotTell, words).because(error),
    }
}
