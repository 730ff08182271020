//! Pushes a made-up ledger, which the hooks must refuse. The other checks only inspect the
//! repository. This one shows how the server really treats a push.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{CheckSubject, Inspector};
use crate::clock::{self, Deadline};
use crate::domain::id::{Oid, RunId};
use crate::git::private_files::TempFolder;
use crate::git::temp_repo::TempRepository;
use crate::git::{self, PushOutcome, Repository};
use crate::program::ExternalProgram;
use crate::server::location::find_hooks_folder;
use crate::server::{TIME_LIMIT, pkt_line};

/// How our hooks begin the message about a push that they refuse.
const REFUSED: &str = "git-deploy: refused";
/// How our hooks begin the message about a push that they cannot judge.
const CANNOT_TELL: [&str; 2] = ["git-deploy: cannot tell", "error: git-deploy: cannot tell"];

/// The most bytes that are read of a hook's answer.
const MAX_ANSWER: usize = 1 << 20;
/// How long a hook may take to answer, after its own time limit.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// The result of the push.
enum ProbeResult {
    /// The server accepted it.
    Accepted,
    /// Our hook refused it.
    Refused,
    /// Our hook was called, but could not judge.
    Unjudged,
    /// Git or another program's hook refused it, with this message.
    RefusedByOther(String),
}

impl Inspector<'_> {
    /// Pushes a made-up ledger and checks that our hooks refuse it and that no ref or object of it
    /// remains.
    pub(super) fn probe_hooks(&mut self, uses_proc_receive: bool) -> git::Result<()> {
        let folder = TempFolder::new()?;
        let temp = TempRepository::new_in(folder.path(), self.repository.hash_kind())?;
        // The object is unique, so if it exists afterwards, it came from this push.
        let nonce = RunId(clock::random().unwrap_or_default());
        let blob = temp
            .repository
            .write_blob(format!("git-deploy server check {nonce}\n").as_bytes())?;
        let name = format!("refs/deploy/probe-{nonce}");
        let result = push_probe(&temp.repository, self.repository, blob, &name)?;
        let remains = self.remove_remains(blob, &name)?;
        let check_command = self.git_command("deploy server check");
        match (result, remains) {
            (ProbeResult::Refused, None) => {
                self.add_good(
                    CheckSubject::Probe,
                    "a push of a made-up ledger was refused, and nothing of it is left",
                );
            }
            (ProbeResult::Accepted, _) => {
                let message = "a push of a made-up ledger was accepted: everyone who can push can write any entry";
                self.add_problem(CheckSubject::Probe, message, self.install_command());
            }
            (_, Some(remains)) => {
                let message =
                    format!("a push of a made-up ledger was refused, but {remains} is still there");
                self.add_problem(CheckSubject::Probe, message, "git 2.29 or later");
            }
            (ProbeResult::Unjudged, None) => {
                let message = "the hook cannot judge a push: nothing is accepted";
                self.add_problem(CheckSubject::Probe, message, check_command);
            }
            (ProbeResult::RefusedByOther(message), None) => {
                let message = format!(
                    "a push of a made-up ledger was refused, and not by git-deploy: {message}"
                );
                self.add_problem(CheckSubject::Probe, message, self.install_command());
            }
        }
        if uses_proc_receive
            && self.is_good(CheckSubject::Hooks)
            && !self.proc_receive_refuses(blob, &name)
        {
            let message = "proc-receive, called as git calls it, does not refuse a made-up ledger";
            self.add_problem(CheckSubject::Probe, message, self.install_command());
        }
        Ok(())
    }

    /// Returns what the push left in the repository, and deletes its ref. Returns `None` if it left
    /// nothing.
    fn remove_remains(&self, blob: Oid, name: &str) -> git::Result<Option<&'static str>> {
        // Opened again, because the open repository may have cached objects and refs.
        let after = Repository::open(self.repository.git_dir())?;
        if after.read_ref(name)? == Some(blob) {
            after
                .git("update-ref")
                .args(["-d", "--", name, &blob.to_string()])
                .run()?
                .into_stdout()?;
            return Ok(Some("its ref"));
        }
        Ok(after.exists(blob).then_some("its object"))
    }

    /// Returns whether proc-receive refuses on its own, as it must if pre-receive is missing. It is
    /// called with an update as git would call it.
    fn proc_receive_refuses(&self, blob: Oid, name: &str) -> bool {
        let Ok(folder) = find_hooks_folder(self.repository) else {
            return false;
        };
        let zero = self.repository.hash_kind().zero_id();
        let mut input = Vec::new();
        let mut write_line = |bytes: &[u8]| pkt_line::write_packet(&mut input, bytes).is_ok();
        let is_written = write_line(b"version=1\0")
            && input.write_all(b"0000").is_ok()
            && pkt_line::write_packet(&mut input, format!("{zero} {blob} {name}").as_bytes())
                .is_ok()
            && pkt_line::end_section(&mut input).is_ok();
        let answer = is_written
            .then(|| {
                run_hook(
                    &folder.join("proc-receive"),
                    self.repository.git_dir(),
                    &input,
                )
            })
            .flatten();
        let mut answer = answer.as_deref().unwrap_or_default();
        let mut is_refused = false;
        while let Ok(packet) = pkt_line::read_packet(&mut answer) {
            let Some(packet) = packet else { continue };
            is_refused |= packet.starts_with(format!("ng {name}").as_bytes());
            if packet.starts_with(b"ok ") {
                return false;
            }
        }
        is_refused
    }
}

/// Pushes an object, as any pusher could.
fn push_probe(
    from: &Repository,
    to: &Repository,
    blob: Oid,
    name: &str,
) -> git::Result<ProbeResult> {
    let address = to.git_dir().to_string_lossy();
    Ok(match from.push_ref(&address, blob, name, None)? {
        PushOutcome::Accepted { .. } | PushOutcome::LostRace { .. } => ProbeResult::Accepted,
        PushOutcome::Rejected { messages, .. } | PushOutcome::Unknown { messages, .. } => {
            let has_line = |words: &[&str]| {
                messages
                    .iter()
                    .any(|line| words.iter().any(|word| line.starts_with(word)))
            };
            if has_line(&[REFUSED]) {
                ProbeResult::Refused
            } else if has_line(&CANNOT_TELL) {
                ProbeResult::Unjudged
            } else {
                let message = messages
                    .iter()
                    .find(|line| !line.trim().is_empty())
                    .map_or("git", String::as_str);
                ProbeResult::RefusedByOther(crate::domain::text::sanitize(message))
            }
        }
    })
}

/// Runs a hook as git runs it, with this input, and returns its output.
fn run_hook(hook: &Path, git_dir: &Path, input: &[u8]) -> Option<Vec<u8>> {
    let result = ExternalProgram::new(hook)
        .env("GIT_DIR", ".")
        .current_dir(git_dir)
        .input(input)
        .keep_output(MAX_ANSWER)
        .deadline(Deadline::after(TIME_LIMIT + ANSWER_GRACE))
        .run();
    Some(result.ok()?.output)
}
