//! All of git's hooks that we use, with real pushes to a real bare repository: what each accepts,
//! what it refuses, and what it may cost.

mod bound_branches;
mod branch_moves;
mod handoff;
mod limits;
mod lock_file;
mod pre_push;
mod reference_transaction;
mod without_proc_receive;

use crate::harness::{Project, Repo, Run};

/// Returns the names of the hooks that are installed in a repository.
fn installed(repo: &Repo<'_>) -> Vec<String> {
    let files = repo
        .path()
        .join("hooks")
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".sample"));
    names.sort_unstable();
    names
}

/// Returns the subjects of a ledger's entries on the server, oldest first.
fn entries(project: &Project<'_>, ledger: &str) -> Vec<String> {
    let name = format!("refs/deploy/{ledger}");
    let log = project
        .server
        .git(&["log", "--first-parent", "--reverse", "--format=%s", &name])
        .ok()
        .text();
    log.lines().skip(1).map(str::to_owned).collect()
}

/// Returns how many lines the server's notes have for a commit.
fn noted(project: &Project<'_>, commit: &str) -> usize {
    let run = project
        .server
        .git(&["notes", "--ref=deploy", "show", commit]);
    if run.succeeded() {
        run.text().lines().count()
    } else {
        0
    }
}

/// Runs a command with more variables than those of its world.
fn with<'w>(
    repo: &Repo<'w>,
    variables: &[(&str, &str)],
    program: &str,
    arguments: &[&str],
) -> Run<'w> {
    let mut command = repo.command(program);
    command.envs(variables.iter().copied()).args(arguments);
    Run::of(repo.world(), &mut command)
}
