//! Processes the output of a command: writes a bounded and safe log, keeps the beginning and the
//! end in memory, and computes a digest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use sha2::{Digest as _, Sha256};

use super::command_spec::CommandSpec;
use super::mask::{Mask, MaskStream};
use crate::domain::id::Digest;
use crate::git::private_files::append_to_file;
use crate::program::Stream;
use crate::run::digest::to_digest;

/// The most bytes in a log.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// How many of the last lines are kept.
const TAIL_LINES: usize = 20;
/// The longest line, in bytes. Longer ones are split.
const MAX_LINE_BYTES: usize = 8 << 10;

/// The output of a command, without its secrets.
#[derive(Debug, Clone)]
pub struct CapturedOutput {
    /// The SHA-256 of all of standard output, with secrets masked.
    pub digest: Digest,
    /// The beginning of standard output, up to the limit. To show it, use [`Self::to_text`].
    pub head: Vec<u8>,
    /// Whether there was more standard output.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by tests"))]
    pub is_cut: bool,
    /// The last lines of both outputs, at most 20.
    pub tail: Vec<String>,
    /// The SHA-256 of the lines of both outputs as a log contains them, each ended by a newline.
    pub lines_digest: Digest,
    /// How many bytes these lines have.
    pub lines_size: u64,
    mask: Mask,
}

impl CapturedOutput {
    /// Returns the beginning of standard output, safe to show.
    pub fn to_text(&self) -> String {
        let lines = self.head.split(|byte| *byte == b'\n');
        let lines: Vec<String> = lines
            .map(|line| {
                self.mask
                    .clean_line(line.strip_suffix(b"\r").unwrap_or(line))
            })
            .collect();
        lines.join("\n")
    }
}

/// Receives the output of a command: logs it, and keeps its digest, beginning and end.
pub struct OutputRecorder<'a> {
    spec: CommandSpec<'a>,
    out: StreamState<'a>,
    err: StreamState<'a>,
    log: Option<BufWriter<File>>,
    logged_bytes: u64,
    digest: Sha256,
    lines_digest: Sha256,
    lines_size: u64,
    head: Vec<u8>,
    is_cut: bool,
    tail: VecDeque<Vec<u8>>,
}

impl<'a> OutputRecorder<'a> {
    /// Opens the log, if the command has one.
    pub(super) fn new(spec: &CommandSpec<'a>) -> io::Result<Self> {
        let new_stream = || StreamState {
            masked: MaskStream::new(spec.mask),
            partial_line: Vec::new(),
        };
        Ok(Self {
            spec: *spec,
            out: new_stream(),
            err: new_stream(),
            log: spec
                .log
                .map(append_to_file)
                .transpose()?
                .map(BufWriter::new),
            logged_bytes: 0,
            digest: Sha256::new(),
            lines_digest: Sha256::new(),
            lines_size: 0,
            head: Vec::new(),
            is_cut: false,
            tail: VecDeque::new(),
        })
    }

    /// Adds some bytes.
    pub(super) fn record(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let masked = self.stream_mut(stream).masked.push(bytes);
        self.record_masked(stream, &masked)?;
        // Flushed so that a person can follow the log while the command runs.
        self.log.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// Ends the output and returns the result.
    pub(super) fn finish(mut self) -> io::Result<CapturedOutput> {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self.stream_mut(stream).masked.finish();
            self.record_masked(stream, &rest)?;
            let line = std::mem::take(&mut self.stream_mut(stream).partial_line);
            if !line.is_empty() {
                self.record_line(stream, &line)?;
            }
        }
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        Ok(CapturedOutput {
            digest: to_digest(&self.digest.finalize()),
            head: self.head,
            is_cut: self.is_cut,
            tail: self
                .tail
                .iter()
                .map(|line| self.spec.mask.clean_line(line))
                .collect(),
            lines_digest: to_digest(&self.lines_digest.finalize()),
            lines_size: self.lines_size,
            mask: self.spec.mask.clone(),
        })
    }

    /// Returns the state of a stream.
    fn stream_mut(&mut self, stream: Stream) -> &mut StreamState<'a> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Adds masked bytes to the digest and the head, and splits them into lines.
    fn record_masked(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if stream == Stream::Out {
            self.digest.update(bytes);
            let room = self.spec.kept_bytes.saturating_sub(self.head.len());
            self.is_cut |= bytes.len() > room;
            self.head
                .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let line = &mut self.stream_mut(stream).partial_line;
            let room = MAX_LINE_BYTES.saturating_sub(line.len());
            let part = rest.get(..room).unwrap_or(rest);
            let end = part.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            line.extend_from_slice(part.get(..end.unwrap_or(part.len())).unwrap_or_default());
            rest = rest
                .get(end.map_or(part.len(), |end| end + 1)..)
                .unwrap_or_default();
            if end.is_some() || line.len() >= MAX_LINE_BYTES {
                let line = std::mem::take(line);
                self.record_line(stream, &line)?;
            }
        }
        Ok(())
    }

    /// Sends a complete line to the observer, the tail and the log.
    fn record_line(&mut self, stream: Stream, line: &[u8]) -> io::Result<()> {
        if let Some(observe) = self.spec.on_line {
            observe(stream, line);
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_vec());
        let line = self.spec.mask.clean_line(line);
        let size = line.len() as u64 + 1;
        self.lines_digest.update(&line);
        self.lines_digest.update(b"\n");
        self.lines_size += size;
        let Some(log) = self
            .log
            .as_mut()
            .filter(|_| self.logged_bytes < MAX_LOG_BYTES)
        else {
            return Ok(());
        };
        self.logged_bytes += size;
        writeln!(log, "{line}")?;
        if self.logged_bytes >= MAX_LOG_BYTES {
            writeln!(
                log,
                "… the rest is not kept: a log has at most {} MiB",
                MAX_LOG_BYTES >> 20
            )?;
        }
        Ok(())
    }
}

/// The state of one stream between two chunks of output.
struct StreamState<'a> {
    masked: MaskStream<'a>,
    /// The bytes since the last end of a line.
    partial_line: Vec<u8>,
}
