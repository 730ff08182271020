//! Builds the repositories that `benches/run` measures: a code history, and ledgers with real
//! signatures that comply with every rule.
//!
//! `cargo bench --bench generate -- --entries 1000 --commits 100000 --components 100` prints the
//! folder that it created. A folder that exists already is reused: it gets its final name only once
//! it is complete. Each build creates new keys, so ids differ from one machine to the next; the
//! measured amounts do not.

mod code;
mod import;
mod layout;
mod ledgers;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

/// The result of every step. The message goes to the person who started the program.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Builds one repository with its server and its clone, or reuses an existing one
#[derive(Parser)]
struct Args {
    /// The number of entries in the ledger prod; stage has slightly less than half as many
    #[arg(long, default_value_t = 1_000)]
    entries: u64,
    /// The number of commits of the code
    #[arg(long, default_value_t = 1_000)]
    commits: u64,
    /// The number of components, each in its own folder
    #[arg(long, default_value_t = 10)]
    components: u64,
    /// The folder in which the repositories are created
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-repositories"))]
    into: PathBuf,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// The size of the generated repository.
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
        build(&unfinished, &folder, size).inspect_err(|_| {
            // An unfinished folder does no harm, but it is large.
            let _ = std::fs::remove_dir_all(&unfinished);
        })?;
    }
    println!("{}", folder.display());
    Ok(())
}

/// Builds everything in `unfinished` and renames it to `folder` at the end.
fn build(unfinished: &Path, folder: &Path, size: Size) -> Result<()> {
    let local = layout::create_local(unfinished)?;
    let keys = ledgers::SignerKeys::generate(&unfinished.join("keys"))?;
    eprintln!(
        "{} commits of {} components …",
        size.commits, size.components
    );
    code::write_history(&local, &keys.policy_text(size), size)?;
    eprintln!("{} entries, signed …", size.entries);
    let project = ledgers::write_ledgers(&local, &keys, size)?;
    eprintln!("packing, server and clone …");
    layout::pack(&local)?;
    std::fs::rename(unfinished, folder)?;
    layout::create_server_and_clone(folder, &project)
}
