//! Masks secrets in the output of a command, however the output is split into chunks.
//!
//! The output is read once, in several [`views`]: as it is, without escapes, as quoted-printable, as
//! base64, as base32, as hexadecimal digits, as a dump with offsets, and as a list of numbers. In each, the forms that a secret takes there are
//! looked for (see [`forms`]), and the part of the output that stands for one is replaced. It cannot
//! stop a command that encodes a secret differently on purpose.

mod classes;
mod escapes;
mod finder;
mod forms;
mod numbers;
mod quoted_printable;
mod spellings;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;

use crate::domain::text::{is_plain, sanitize};
pub use finder::MaskError;
use forms::Forms;
use views::{Finders, Views};

/// The text that replaces a secret.
pub const REPLACEMENT: &[u8] = b"***";
/// The text that replaces a tab.
const TAB_SPACES: &str = "    ";

/// The secrets to mask.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    finders: Option<Arc<Finders>>,
}

impl Mask {
    /// Creates a mask of these secrets. Empty ones are ignored.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Result<Self, MaskError> {
        let mut forms = Forms::default();
        for secret in secrets {
            forms.add(secret);
        }
        Ok(Self {
            finders: Finders::new(forms)?.map(Arc::new),
        })
    }

    /// Returns whether bytes contain a secret, in any form that is masked.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.mask_bytes(bytes) != bytes
    }

    /// Returns whether bytes are a secret, in any form that is masked, and nothing else.
    pub fn is_secret(&self, bytes: &[u8]) -> bool {
        self.finds(bytes) && self.mask_bytes(bytes) == REPLACEMENT
    }

    /// Returns the text with all secrets replaced.
    pub fn mask_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.mask_bytes(text.as_bytes())).into_owned()
    }

    fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = MaskStream::new(self);
        let mut masked = stream.push(bytes);
        masked.extend(stream.finish());
        masked
    }

    /// Returns a line of masked output that is safe to show: without escape sequences and with tabs
    /// as spaces. If that removes anything, the line is masked again, because the removed characters
    /// may have split a secret.
    pub fn clean_line(&self, line: &[u8]) -> String {
        let plain = anstream::adapter::strip_bytes(line).into_vec();
        let plain = String::from_utf8_lossy(&plain).replace('\t', TAB_SPACES);
        if self.finders.is_none() {
            return sanitize(&plain);
        }
        let visible: String = plain
            .chars()
            .filter(|character| is_plain(*character))
            .collect();
        if visible.as_bytes() == line {
            return visible;
        }
        let masked = self.mask_text(&visible);
        sanitize(if masked == visible { &plain } else { &masked })
    }
}

/// Masks one stream chunk by chunk.
#[derive(Debug)]
pub struct MaskStream<'a> {
    views: Option<Views<'a>>,
    /// Bytes that may be the beginning of a secret.
    pending: Vec<u8>,
    /// How many bytes precede the pending ones.
    pending_start: u64,
    /// The parts of the output that are secret and not yet replaced.
    found: Vec<(u64, u64)>,
    /// Where the last replaced part ends.
    masked_end: u64,
}

impl<'a> MaskStream<'a> {
    /// Starts at the beginning of a stream.
    pub fn new(mask: &'a Mask) -> Self {
        Self {
            views: mask.finders.as_deref().map(Views::new),
            pending: Vec::new(),
            pending_start: 0,
            found: Vec::new(),
            masked_end: 0,
        }
    }

    /// Adds bytes, and returns the masked bytes up to the point at which an incomplete secret may
    /// begin.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(views) = &mut self.views else {
            return bytes.to_vec();
        };
        self.pending.extend_from_slice(bytes);
        views.push(bytes, &mut self.found);
        let settled = views.settled();
        self.take_masked(settled)
    }

    /// Returns the rest, at the end of the stream.
    pub fn finish(&mut self) -> Vec<u8> {
        if let Some(views) = &mut self.views {
            views.finish(&mut self.found);
        }
        self.take_masked(self.pending_start + self.pending.len() as u64)
    }

    /// Returns the bytes before `settled`, masked. Parts may overlap, because several secrets, or
    /// several encodings of one, may: every byte of any part is replaced.
    fn take_masked(&mut self, settled: u64) -> Vec<u8> {
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable();
        let later = found.split_off(found.partition_point(|(start, _)| *start < settled));
        self.found = later;
        let start = self.pending_start;
        let slice = |from: u64, to: u64| -> &[u8] {
            let index = |position: u64| usize::try_from(position.checked_sub(start)?).ok();
            let range = index(from).zip(index(to));
            range
                .and_then(|(from, to)| self.pending.get(from..to))
                .unwrap_or_default()
        };
        let (mut masked, mut position) = (Vec::new(), self.masked_end.max(start));
        for (from, to) in found {
            if from >= position {
                masked.extend_from_slice(slice(position, from));
                masked.extend_from_slice(REPLACEMENT);
            }
            position = position.max(to);
        }
        masked.extend_from_slice(slice(position, settled));
        self.masked_end = position;
        let taken = usize::try_from(settled.saturating_sub(start)).unwrap_or(usize::MAX);
        self.pending.drain(..taken.min(self.pending.len()));
        self.pending_start = settled.max(start);
        masked
    }
}
