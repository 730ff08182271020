//! Writes the code history: a linear sequence of commits over one year. Each commit changes one
//! file of one component.

use std::path::Path;

use crate::import::Import;
use crate::{Result, Size};

/// The time of the first commit: 2024-01-01.
pub const FIRST_COMMIT_TIME: u64 = 1_704_067_200;
/// The time from the first to the last commit, in seconds.
pub const HISTORY_SECONDS: u64 = 365 * 86_400;
/// The number of files of each component.
const FILES_PER_COMPONENT: u64 = 10;

/// Returns the time of the given commit, in seconds since 1970.
pub fn commit_time(commit: u64, size: Size) -> u64 {
    FIRST_COMMIT_TIME + HISTORY_SECONDS / size.commits * commit
}

/// Returns the name of the component with this number.
pub fn component_name(number: u64) -> String {
    format!("c{number:04}")
}

/// Writes the code history to `refs/heads/main`.
pub fn write_history(repository: &Path, policy: &str, size: Size) -> Result<()> {
    let mut import = Import::start(repository)?;
    for commit in 0..size.commits {
        let (at, number) = (commit_time(commit, size), commit % size.components);
        let who = format!("dev <dev@example.com> {at} +0000");
        let name = component_name(number);
        import.begin_commit(
            "refs/heads/main",
            &who,
            &format!("Change {name}, {commit}\n"),
            None,
            &[],
        )?;
        if commit == 0 {
            import.add_file("deploy.toml", policy.as_bytes())?;
            for number in 0..size.components {
                let name = component_name(number);
                for file in 0..FILES_PER_COMPONENT {
                    import.add_file(
                        &format!("services/{name}/file{file}"),
                        format!("{name} {file}\n").as_bytes(),
                    )?;
                }
            }
        }
        let file = commit / size.components % FILES_PER_COMPONENT;
        import.add_file(
            &format!("services/{name}/file{file}"),
            format!("{name} {file}\nchange {commit}\n").as_bytes(),
        )?;
    }
    import.finish()
}
