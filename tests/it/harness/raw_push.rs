//! A client that is not git and sends any request to `git receive-pack`, in git's packet format.

use std::io::Write as _;
use std::process::{Child, Stdio};

use super::Repo;

/// The request of one push.
pub struct RawPush<'r, 'w> {
    /// The repository with the objects.
    repo: &'r Repo<'w>,
    features: &'static str,
    lines: Vec<Vec<u8>>,
    objects: Vec<String>,
    /// Whether the objects' history is sent too.
    whole: bool,
}

impl<'r, 'w> RawPush<'r, 'w> {
    pub fn new(repo: &'r Repo<'w>) -> Self {
        Self {
            repo,
            features: "report-status",
            lines: Vec::new(),
            objects: Vec::new(),
            whole: true,
        }
    }

    /// Adds one update; an id of zeros as the new one deletes the ref.
    #[must_use]
    pub fn update(mut self, old: &str, new: &str, name: &str) -> Self {
        if new.bytes().any(|byte| byte != b'0') {
            self.objects.push(new.to_owned());
        }
        self.line(format!("{old} {new} {name}").as_bytes())
    }

    /// Adds one line of any bytes.
    #[must_use]
    pub fn line(mut self, line: &[u8]) -> Self {
        self.lines.push(line.to_vec());
        self
    }

    /// Adds an object to send with the lines.
    #[must_use]
    pub fn objects(mut self, id: &str) -> Self {
        self.objects.push(id.to_owned());
        self
    }

    /// Sends the objects without their history.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.whole = false;
        self
    }

    #[must_use]
    pub fn with(mut self, features: &'static str) -> Self {
        self.features = features;
        self
    }

    /// Sends it all; what git and the hooks answer.
    pub fn send(&self, server: &Repo<'_>) -> String {
        let mut child = spawn(server.command("git").args(["receive-pack", "."]));
        // A server that has heard enough does not listen to the end.
        let _ = child.stdin.take().unwrap().write_all(&self.request());
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + "\n"
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// Sends so much of it, reads nothing, and stays; whoever drops the process's pipes has gone away.
    pub fn stall(&self, server: &Repo<'_>, length: usize) -> Child {
        let mut child = spawn(server.command("git").args(["receive-pack", "."]));
        let request = self.request();
        let _ = child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(&request[..length.min(request.len())]);
        child
    }

    /// Returns the bytes of the updates and the objects.
    fn request(&self) -> Vec<u8> {
        let mut request = Vec::new();
        let mut packet = |bytes: &[u8]| {
            write!(request, "{:04x}", bytes.len() + 4).unwrap();
            request.extend_from_slice(bytes);
        };
        let sha256 = self
            .lines
            .iter()
            .any(|line| line.iter().take_while(|byte| **byte != b' ').count() == 64);
        let format = if sha256 { " object-format=sha256" } else { "" };
        let mut features = Some(format!("\0{}{format}", self.features));
        for line in &self.lines {
            // They follow the first update; a line that says `shallow` is none.
            let is_update = !line.starts_with(b"shallow ");
            let features = if is_update { features.take() } else { None };
            packet(&[line, features.unwrap_or_default().as_bytes()].concat());
        }
        request.extend_from_slice(b"0000");
        // What only deletes brings no pack.
        if !self.objects.is_empty() {
            request.extend(self.pack());
        }
        request
    }

    /// Returns a pack of all objects, with their history if wanted.
    fn pack(&self) -> Vec<u8> {
        let mut command = self.repo.command("git");
        command.args(["pack-objects", "-q", "--stdout"]);
        let mut child = spawn(if self.whole {
            command.arg("--revs")
        } else {
            &mut command
        });
        let revisions = self.objects.join("\n") + "\n";
        child
            .stdin
            .take()
            .unwrap()
            .write_all(revisions.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap().stdout
    }
}

fn spawn(command: &mut std::process::Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}
