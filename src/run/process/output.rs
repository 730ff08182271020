//! Processes the output of a command: writes a bounded and safe log, keeps the beginning and the
//! end in memory, and computes a digest.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};

use sha2::{Digest as _, Sha256};

use super::Job;
use super::mask::{Mask, Masked};
use crate::domain::id::Digest;
use crate::run::digest::digest;

/// The most bytes in a log.
const LOG: u64 = 64 << 20;
/// How many of the last lines are kept.
const TAIL: usize = 20;
/// The longest line, in bytes. Longer ones are split.
const LINE: usize = 8 << 10;

/// One of a command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The output of a command, without its secrets.
#[derive(Debug, Clone)]
pub struct Printed {
    /// The SHA-256 of all of standard output, with secrets masked.
    pub digest: Digest,
    /// The beginning of standard output, up to the limit. To show it, use [`Printed::text`].
    pub head: Vec<u8>,
    /// Whether there was more.
    pub cut: bool,
    /// The last lines of both outputs, at most 20.
    pub tail: Vec<String>,
    mask: Mask,
}

impl Printed {
    /// Returns the beginning of standard output, safe to show.
    pub fn text(&self) -> String {
        let lines = self.head.split(|byte| *byte == b'\n');
        let lines: Vec<String> = lines
            .map(|line| self.mask.clean(line.strip_suffix(b"\r").unwrap_or(line)))
            .collect();
        lines.join("\n")
    }
}

/// Receives the output of a command.
pub struct Output<'a> {
    job: Job<'a>,
    out: Lines<'a>,
    err: Lines<'a>,
    log: Option<BufWriter<File>>,
    logged: u64,
    digest: Sha256,
    head: Vec<u8>,
    cut: bool,
    tail: VecDeque<Vec<u8>>,
}

impl<'a> Output<'a> {
    /// Opens the log.
    pub(super) fn new(job: &Job<'a>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        let lines = || Lines {
            masked: Masked::new(job.mask),
            line: Vec::new(),
        };
        Ok(Self {
            job: *job,
            out: lines(),
            err: lines(),
            log: job.log.map(open).transpose()?.map(BufWriter::new),
            logged: 0,
            digest: Sha256::new(),
            head: Vec::new(),
            cut: false,
            tail: VecDeque::new(),
        })
    }

    /// Adds some bytes.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let masked = self.lines(stream).masked.push(bytes);
        self.masked(stream, &masked)?;
        // Flushed so that a person can follow the log while the command runs.
        self.log.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// Ends the output and returns the result.
    pub(super) fn finish(mut self) -> io::Result<Printed> {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self.lines(stream).masked.finish();
            self.masked(stream, &rest)?;
            let line = std::mem::take(&mut self.lines(stream).line);
            if !line.is_empty() {
                self.line(stream, &line)?;
            }
        }
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        Ok(Printed {
            digest: digest(&self.digest.finalize()),
            head: self.head,
            cut: self.cut,
            tail: self
                .tail
                .iter()
                .map(|line| self.job.mask.clean(line))
                .collect(),
            mask: self.job.mask.clone(),
        })
    }

    /// Returns the line splitter of a stream.
    fn lines(&mut self, stream: Stream) -> &mut Lines<'a> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Adds masked bytes to the digest and the head, and splits them into lines.
    fn masked(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if stream == Stream::Out {
            self.digest.update(bytes);
            let room = self.job.keep.saturating_sub(self.head.len());
            self.cut |= bytes.len() > room;
            self.head
                .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let line = &mut self.lines(stream).line;
            let room = LINE.saturating_sub(line.len());
            let near = rest.get(..room).unwrap_or(rest);
            let end = near.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            line.extend_from_slice(near.get(..end.unwrap_or(near.len())).unwrap_or_default());
            rest = rest
                .get(end.map_or(near.len(), |end| end + 1)..)
                .unwrap_or_default();
            if end.is_some() || line.len() >= LINE {
                let line = std::mem::take(line);
                self.line(stream, &line)?;
            }
        }
        Ok(())
    }

    /// Passes on a complete line: to the observer, the tail and the log.
    fn line(&mut self, stream: Stream, line: &[u8]) -> io::Result<()> {
        if let Some(see) = self.job.line {
            see(stream, line);
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_vec());
        let Some(log) = self.log.as_mut().filter(|_| self.logged < LOG) else {
            return Ok(());
        };
        let line = self.job.mask.clean(line);
        self.logged += line.len() as u64 + 1;
        writeln!(log, "{line}")?;
        if self.logged >= LOG {
            writeln!(
                log,
                "… what followed is left out: a log has at most {} MiB",
                LOG >> 20
            )?;
        }
        Ok(())
    }
}

/// One stream, masked and split into lines.
struct Lines<'a> {
    masked: Masked<'a>,
    line: Vec<u8>,
}
