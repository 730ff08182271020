//! Pushes a made-up ledger, which the hooks must refuse. The result of this push counts more than
//! anything else that the check finds.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{About, Inspector};
use crate::clock;
use crate::domain::id::{Oid, RunId};
use crate::git::temp_repo::Scratch;
use crate::git::{self, PushOutcome, Repository};
use crate::server::pkt_line;

/// How our hooks begin the message about a push that they refuse, and about one that they cannot
/// judge.
const REFUSED: &str = "git-deploy: refused";
const CANNOT_TELL: [&str; 2] = ["git-deploy: cannot tell", "error: git-deploy: cannot tell"];

/// The result of the push.
enum Answer {
    Accepted,
    /// Our hook refused it.
    Refused,
    /// Our hook was called, but could not judge.
    Unjudged,
    /// Something else refused it, with this message.
    Elsewhere(String),
}

impl Inspector<'_> {
    /// Pushes a made-up ledger and checks that our hooks refuse it and that nothing of it is left.
    pub(super) fn probe(&mut self, carried_out: bool) -> git::Result<()> {
        let scratch = Scratch::new(self.repository.hash_kind())?;
        // The object is unique, so if it exists afterwards, it came from this push.
        let nonce = RunId(clock::random().unwrap_or_default());
        let blob = scratch
            .repository
            .write_blob(format!("git-deploy server check {nonce}\n").as_bytes())?;
        let name = format!("refs/deploy/probe-{nonce}");
        let answer = push(&scratch.repository, self.repository, blob, &name)?;
        let left = self.left(blob, &name)?;
        let looked = self.git("deploy server check");
        match (answer, left) {
            (Answer::Refused, None) => {
                self.good(
                    About::Probe,
                    "a push of a made-up ledger was refused, and nothing of it is left",
                );
            }
            (Answer::Accepted, _) => {
                let what =
                    "a push of a made-up ledger went in: whoever may push can write what they like";
                self.bad(About::Probe, what, self.install());
            }
            (_, Some(left)) => {
                let what =
                    format!("a push of a made-up ledger was refused, and {left} is left of it");
                self.bad(About::Probe, what, "git 2.29 or later");
            }
            (Answer::Unjudged, None) => {
                let what = "the hook cannot judge a push: nothing goes in";
                self.bad(About::Probe, what, looked);
            }
            (Answer::Elsewhere(said), None) => {
                let what = format!(
                    "a push of a made-up ledger was refused, and not by git-deploy: {said}"
                );
                self.bad(About::Probe, what, self.install());
            }
        }
        if carried_out && self.is_well(About::Hooks) && !self.refuses_alone(blob, &name) {
            let what = "proc-receive, called as git calls it, does not refuse a made-up ledger";
            self.bad(About::Probe, what, self.install());
        }
        Ok(())
    }

    /// Returns what the push left in the repository. Deletes its ref.
    fn left(&self, blob: Oid, name: &str) -> git::Result<Option<&'static str>> {
        // Opened again, to avoid cached data.
        let after = Repository::open(self.repository.git_dir())?;
        if after.read_ref(name)? == Some(blob) {
            after
                .git("update-ref")
                .args(["-d", "--", name, &blob.to_string()])
                .run()?
                .ok()?;
            return Ok(Some("its ref"));
        }
        Ok(after.exists(blob).then_some("its object"))
    }

    /// Returns whether proc-receive refuses on its own, as it must if pre-receive is missing. It is
    /// called with an update as git would call it.
    fn refuses_alone(&self, blob: Oid, name: &str) -> bool {
        let Ok(folder) = self.hooks_folder() else {
            return false;
        };
        let zero = self.repository.hash_kind().zero();
        let mut said = Vec::new();
        let mut line = |bytes: &[u8]| pkt_line::write(&mut said, bytes).is_ok();
        let told = line(b"version=1\0")
            && said.write_all(b"0000").is_ok()
            && pkt_line::write(&mut said, format!("{zero} {blob} {name}").as_bytes()).is_ok()
            && pkt_line::flush(&mut said).is_ok();
        let answer = told
            .then(|| {
                run(
                    &folder.join("proc-receive"),
                    self.repository.git_dir(),
                    &said,
                )
            })
            .flatten();
        let mut answer = answer.as_deref().unwrap_or_default();
        let mut refused = false;
        while let Ok(packet) = pkt_line::read(&mut answer) {
            let Some(packet) = packet else { continue };
            refused |= packet.starts_with(format!("ng {name}").as_bytes());
            if packet.starts_with(b"ok ") {
                return false;
            }
        }
        refused
    }
}

/// Pushes an object, as any pusher could.
fn push(from: &Repository, to: &Repository, blob: Oid, name: &str) -> git::Result<Answer> {
    let place = to.git_dir().to_string_lossy();
    Ok(match from.push_one(&place, blob, name, None)? {
        PushOutcome::Accepted { .. } | PushOutcome::LostRace { .. } => Answer::Accepted,
        PushOutcome::Rejected { messages, .. } | PushOutcome::Unknown { messages, .. } => {
            let began = |words: &[&str]| {
                messages
                    .iter()
                    .any(|line| words.iter().any(|word| line.starts_with(word)))
            };
            if began(&[REFUSED]) {
                Answer::Refused
            } else if began(&CANNOT_TELL) {
                Answer::Unjudged
            } else {
                let said = messages
                    .iter()
                    .find(|line| !line.trim().is_empty())
                    .map_or("git", String::as_str);
                Answer::Elsewhere(crate::domain::text::harmless(said))
            }
        }
    })
}

/// Runs a hook as git runs it, with this input, and returns its output.
fn run(hook: &Path, git_dir: &Path, said: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(hook);
    command.env("GIT_DIR", ".").current_dir(git_dir);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // The hook answers only after it has read everything, which is less than a pipe holds.
    child.stdin.take()?.write_all(said).ok()?;
    Some(child.wait_with_output().ok()?.stdout)
}
