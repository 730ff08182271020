//! Writes commits with `git fast-import`. git computes every tree and commit itself, so the
//! generated repository does not depend on our own object code.
//!
//! After each ledger commit the import asks for its id, because the next entry names it.

use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::Result;
use crate::layout::git;

/// A running `git fast-import` process.
pub struct Import {
    child: Child,
    input: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
    mark: u64,
}

impl Import {
    /// Starts `git fast-import` for a repository.
    pub fn start(repository: &Path) -> Result<Self> {
        let mut command = git(
            repository,
            &["fast-import", "--quiet", "--done", "--date-format=raw"],
        );
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, answers) = (child.stdin.take(), child.stdout.take());
        let input = BufWriter::with_capacity(1 << 20, input.ok_or("no standard input")?);
        Ok(Self {
            child,
            input,
            answers: BufReader::new(answers.ok_or("no standard output")?),
            mark: 0,
        })
    }

    /// Starts a commit on a ref. `who` holds the name, the address, the seconds and the time zone.
    /// `from` is required for the first commit of a ref that exists already.
    pub fn begin_commit(
        &mut self,
        name: &str,
        who: &str,
        message: &str,
        from: Option<&str>,
        merged: &[String],
    ) -> Result<()> {
        self.mark += 1;
        write!(
            self.input,
            "commit {name}\nmark :{}\nauthor {who}\ncommitter {who}\n",
            self.mark
        )?;
        self.write_data(message.as_bytes())?;
        if let Some(from) = from {
            writeln!(self.input, "from {from}")?;
        }
        for parent in merged {
            writeln!(self.input, "merge {parent}")?;
        }
        Ok(())
    }

    /// Adds a file to the current commit.
    pub fn add_file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        writeln!(self.input, "M 100644 inline {path}")?;
        self.write_data(bytes)
    }

    /// Adds a gitlink to the current commit.
    pub fn add_gitlink(&mut self, path: &str, commit: &str) -> Result<()> {
        Ok(writeln!(self.input, "M 160000 {commit} {path}")?)
    }

    /// Removes a path from the current commit.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        Ok(writeln!(self.input, "D {path}")?)
    }

    /// Returns the id of the commit that was written last.
    pub fn last_id(&mut self) -> Result<String> {
        writeln!(self.input, "get-mark :{}", self.mark)?;
        self.input.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.is_empty() {
            Err("git fast-import has stopped".into())
        } else {
            Ok(answer.trim_end().to_owned())
        }
    }

    /// Finishes the import. Fails if `git fast-import` failed.
    pub fn finish(mut self) -> Result<()> {
        writeln!(self.input, "done")?;
        self.input.flush()?;
        drop(self.input);
        if self.child.wait()?.success() {
            Ok(())
        } else {
            Err("git fast-import failed".into())
        }
    }

    /// Writes a `data` command with these bytes.
    fn write_data(&mut self, bytes: &[u8]) -> Result<()> {
        writeln!(self.input, "data {}", bytes.len())?;
        self.input.write_all(bytes)?;
        Ok(writeln!(self.input)?)
    }
}
