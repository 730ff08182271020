//! Waiting for things that happen in other processes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Repo;

/// How long a test waits for something that is certain to happen. No test fails because a machine is slow.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until something is there, and returns it; `complaint` says what was waited for.
#[track_caller]
pub fn wait_for<T>(complaint: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{complaint}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_until(complaint: &str, mut holds: impl FnMut() -> bool) {
    wait_for(complaint, || holds().then_some(()));
}

/// Returns the ids of the processes that work in a repository: git's, the hooks, and what they start.
pub fn processes_in(repository: &Repo<'_>) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|process| process.unwrap().file_name().to_str()?.parse().ok())
        .filter(|id| {
            let folder = std::fs::read_link(format!("/proc/{id}/cwd"));
            folder.is_ok_and(|folder| folder == repository.path())
        })
        .collect()
}

/// Waits until the processes in a repository do nothing any more: each sleeps, and none has used the processor for a while.
#[track_caller]
pub fn wait_until_idle(repository: &Repo<'_>) {
    let (mut before, mut quiet) = (Vec::new(), 0);
    wait_until("the processes in a repository do not come to rest", || {
        let now: Vec<Option<String>> = processes_in(repository).into_iter().map(usage).collect();
        let at_rest = !now.is_empty() && now.iter().all(Option::is_some) && now == before;
        quiet = if at_rest { quiet + 1 } else { 0 };
        before = now;
        quiet == 40
    });
}

/// Returns how much of the processor a sleeping process has used; `None` if it does not sleep.
fn usage(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    let stat = stat.ok()?;
    // What follows the program's name: the state, and as 12th and 13th field the two times.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] == "S").then(|| format!("{process} {} {}", fields[11], fields[12]))
}
