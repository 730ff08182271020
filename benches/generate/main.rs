//! Builds the repositories that `benches/run` measures on: a history of code, and ledgers that every rule lets in, really signed.
//!
//! `cargo bench --bench generate -- --entries 1000 --commits 100000 --components 100` prints the folder that it made. What is there
//! already is kept: a folder is renamed to its name only when it is whole. Keys are made anew each time, so ids differ from one
//! machine to the next; what is measured does not.

mod code;
mod import;
mod layout;
mod ledgers;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

/// What may go wrong is told to the one person who started it.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Builds one repository with its server and its clone, or finds it built
#[derive(Parser)]
struct Args {
    /// The entries of the ledger prod; stage has somewhat less than half as many besides
    #[arg(long, default_value_t = 1_000)]
    entries: u64,
    /// The commits of the code
    #[arg(long, default_value_t = 1_000)]
    commits: u64,
    /// The components, each with a folder of its own
    #[arg(long, default_value_t = 10)]
    components: u64,
    /// Where the folder is made
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-repositories"))]
    into: PathBuf,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// How large.
#[derive(Clone, Copy)]
pub struct Size {
    entries: u64,
    commits: u64,
    components: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let size = Size {
        entries: args.entries,
        commits: args.commits.max(1),
        components: args.components.clamp(1, 10_000),
    };
    let name = format!("e{}-c{}-k{}", size.entries, size.commits, size.components);
    let folder = args.into.join(&name);
    if !folder.exists() {
        std::fs::create_dir_all(&args.into)?;
        let unfinished = args.into.join(format!("{name}.{}", std::process::id()));
        std::fs::create_dir(&unfinished)?;
        make(&unfinished, &folder, size).inspect_err(|_| {
            // What was made in vain is in nobody's way, but large.
            let _ = std::fs::remove_dir_all(&unfinished);
        })?;
    }
    println!("{}", folder.display());
    Ok(())
}

/// Makes everything in `unfinished` and gives it its name at the end.
fn make(unfinished: &Path, folder: &Path, size: Size) -> Result<()> {
    let local = layout::begin(unfinished)?;
    let keys = ledgers::Keys::make(&unfinished.join("keys"))?;
    eprintln!(
        "{} commits of {} components …",
        size.commits, size.components
    );
    code::write(&local, &keys.policy(size), size)?;
    eprintln!("{} entries, signed …", size.entries);
    let project = ledgers::write(&local, &keys, size)?;
    eprintln!("packing, server and clone …");
    layout::pack(&local)?;
    std::fs::rename(unfinished, folder)?;
    layout::share(folder, &project)
}
