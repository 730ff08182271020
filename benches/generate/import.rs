//! `git fast-import`: git computes every tree and commit, so that what is generated is git's own and not ours to get wrong.
//!
//! After each commit of a ledger its id is asked for, because the next entry names it.

use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::Result;
use crate::layout::git;

/// A running import.
pub struct Import {
    child: Child,
    input: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
    mark: u64,
}

impl Import {
    /// Begins to write into a repository.
    pub fn begin(repository: &Path) -> Result<Self> {
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

    /// Begins a commit of a ref: `who` is name, address, seconds and zone. `from` is needed where the ref has not moved in this import.
    pub fn commit(
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
        self.data(message.as_bytes())?;
        if let Some(from) = from {
            writeln!(self.input, "from {from}")?;
        }
        for parent in merged {
            writeln!(self.input, "merge {parent}")?;
        }
        Ok(())
    }

    /// Puts a file into the commit.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        writeln!(self.input, "M 100644 inline {path}")?;
        self.data(bytes)
    }

    /// Puts a gitlink into the commit.
    pub fn link(&mut self, path: &str, commit: &str) -> Result<()> {
        Ok(writeln!(self.input, "M 160000 {commit} {path}")?)
    }

    /// Takes a path out of the commit.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        Ok(writeln!(self.input, "D {path}")?)
    }

    /// The id of the commit that was written last.
    pub fn id(&mut self) -> Result<String> {
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

    /// Ends the import.
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

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        writeln!(self.input, "data {}", bytes.len())?;
        self.input.write_all(bytes)?;
        Ok(writeln!(self.input)?)
    }
}
