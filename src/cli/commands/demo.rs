//! `git deploy demo`: a tour with a real server and four clones, from the first commit to a refused
//! and an accepted push.
//!
//! The tour runs each of the commands that it prints, except `cat`, and stops if one does not end as
//! expected.

mod first_part;
mod second_part;
mod tour;

use std::path::PathBuf;

use tour::Tour;

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::git::private_files::create_folder;

/// Create a sandbox with a server and run a tour of git-deploy
///
/// The tour takes a commit from dev through qa and stage to prod. On the way the server refuses a
/// promotion that skips stage. In the second part a deployment fails its verification and is rolled
/// back automatically. On a terminal, it waits for Enter between its parts. The sandbox remains for
/// you to explore.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Run the tour in ./git-deploy-demo:
    git deploy demo

  Run it in another folder:
    git deploy demo /tmp/tour

  Run it without waiting for Enter:
    git deploy demo --no-pause")]
pub struct Args {
    /// The folder to create, which must not exist yet
    #[arg(default_value = "git-deploy-demo", value_name = "DIR")]
    directory: PathBuf,
    /// Do not wait for Enter between the parts
    #[arg(long)]
    no_pause: bool,
}

/// Creates the sandbox and runs the tour.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let root =
        std::path::absolute(&args.directory).context(ErrorKind::Usage, "cannot use this folder")?;
    if root.exists() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{} already exists", root.display()),
        )
        .hint("git deploy demo DIR, with a folder that does not exist yet"));
    }
    create_folder(&root.join("keys")).context(
        ErrorKind::CannotTell,
        format!("cannot create {}", root.display()),
    )?;
    let tour = Tour { root, ui };
    let parts = [
        Tour::set_up,
        Tour::deploy_to_dev_and_qa,
        Tour::show_refusal,
        Tour::show_acceptance,
        Tour::show_history,
        Tour::run_second_part,
    ];
    for (index, part) in parts.iter().enumerate() {
        if index > 0 && !args.no_pause {
            ui.wait_for_enter()?;
        }
        part(&tour)?;
    }
    tour.print_farewell();
    Ok(())
}
