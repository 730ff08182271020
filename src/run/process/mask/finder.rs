//! Finds texts in a stream of symbols that is read once, and tells which part of the output they
//! take.

use std::collections::{HashMap, VecDeque};

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, BuildError, MatchError};

/// How many symbols in a row may be skipped within a text. It bounds what is held back.
const MAX_SKIPPED: usize = 256;

/// The secrets cannot be searched for.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// They are too large.
    #[error("the secrets are too large to be masked in output")]
    TooLarge(#[from] BuildError),
    /// The search cannot start.
    #[error("output cannot be searched for secrets")]
    Start(#[from] MatchError),
}

/// What of the dropped symbols around a text belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edge {
    /// None.
    Exact,
    /// Those up to white space.
    Skipped,
    /// All of them, because the text itself has white space among them.
    Dropped,
}

/// A text to look for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub bytes: Vec<u8>,
    pub start: Edge,
    pub end: Edge,
}

impl Form {
    /// Creates a form that has all symbols of its text.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            start: Edge::Exact,
            end: Edge::Exact,
        }
    }
}

/// The texts to look for in one view of the output.
#[derive(Debug, Clone)]
pub(super) struct Finder {
    automaton: NFA,
    start: StateID,
    /// Whether a text begins with the byte of this index.
    is_first_byte: Vec<bool>,
    /// How many symbols of a text each state stands for.
    depths: HashMap<StateID, usize>,
    forms: Vec<Form>,
    longest_form: usize,
    /// Which dropped symbols a text may begin with.
    widest_start: Edge,
}

impl Finder {
    /// Creates a finder, or `None` if there is nothing to look for.
    pub(super) fn new(mut forms: Vec<Form>) -> Result<Option<Self>, MaskError> {
        forms.retain(|form| !form.bytes.is_empty());
        forms.sort();
        forms.dedup();
        let Some(longest_form) = forms.iter().map(|form| form.bytes.len()).max() else {
            return Ok(None);
        };
        let automaton = NFA::new(forms.iter().map(|form| &form.bytes))?;
        let start = automaton.start_state(Anchored::No)?;
        let is_first_byte = (0..=u8::MAX)
            .map(|byte| automaton.next_state(Anchored::No, start, byte) != start)
            .collect();
        let mut depths = HashMap::new();
        for form in &forms {
            let mut state = start;
            for (index, byte) in form.bytes.iter().enumerate() {
                state = automaton.next_state(Anchored::No, state, *byte);
                depths.insert(state, index + 1);
            }
        }
        let widest_start = forms.iter().map(|form| form.start).max();
        let widest_start = widest_start.unwrap_or(Edge::Exact);
        Ok(Some(Self {
            automaton,
            start,
            is_first_byte,
            depths,
            forms,
            longest_form,
            widest_start,
        }))
    }
}

/// Where a kept symbol begins.
#[derive(Debug, Clone, Copy)]
struct KeptSymbol {
    start: u64,
    /// Where the symbols before it that are no white space begin, or `start`.
    skipped_start: u64,
    /// Where the dropped symbols before it begin, or `start`.
    dropped_start: u64,
}

impl KeptSymbol {
    /// Returns where a text begins that begins with this symbol and the dropped ones before it.
    fn start_with(self, edge: Edge) -> u64 {
        match edge {
            Edge::Exact => self.start,
            Edge::Skipped => self.skipped_start,
            Edge::Dropped => self.dropped_start,
        }
    }
}

/// Searches one stream of symbols.
#[derive(Debug)]
pub(super) struct Search<'m> {
    finder: &'m Finder,
    state: StateID,
    /// The last kept symbols, at least as many as the current state stands for.
    kept: VecDeque<KeptSymbol>,
    skipped: usize,
    skipped_start: Option<u64>,
    dropped_start: Option<u64>,
    /// Where the text begins that the dropped symbols here belong to, and which do.
    open_match: Option<(u64, Edge)>,
}

impl<'m> Search<'m> {
    pub(super) fn new(finder: &'m Finder) -> Self {
        Self {
            finder,
            state: finder.start,
            kept: VecDeque::new(),
            skipped: 0,
            skipped_start: None,
            dropped_start: None,
            open_match: None,
        }
    }

    /// Adds a symbol that takes `start..end` of the output, and the texts that end with it to
    /// `found`.
    pub(super) fn keep(&mut self, byte: u8, start: u64, end: u64, found: &mut Vec<(u64, u64)>) {
        let finder = self.finder;
        let skipped_start = self.skipped_start.take().unwrap_or(start);
        let dropped_start = self.dropped_start.take().unwrap_or(start);
        self.skipped = 0;
        let is_first = || finder.is_first_byte.get(usize::from(byte)) == Some(&true);
        if self.state == finder.start && !is_first() {
            return;
        }
        self.state = finder.automaton.next_state(Anchored::No, self.state, byte);
        if self.state == finder.start {
            self.kept.clear();
            return;
        }
        if self.kept.len() == finder.longest_form {
            self.kept.pop_front();
        }
        self.kept.push_back(KeptSymbol {
            start,
            skipped_start,
            dropped_start,
        });
        if !finder.automaton.is_match(self.state) {
            return;
        }
        for index in 0..finder.automaton.match_len(self.state) {
            let pattern = finder.automaton.match_pattern(self.state, index);
            let Some(form) = finder.forms.get(pattern.as_usize()) else {
                continue;
            };
            let Some(first) = self.nth_last(form.bytes.len()) else {
                continue;
            };
            let first = first.start_with(form.start);
            found.push((first, end));
            if form.end != Edge::Exact {
                let open = self.open_match.unwrap_or((first, form.end));
                self.open_match = Some((open.0.min(first), open.1.max(form.end)));
            }
        }
    }

    /// Drops a symbol, which is masked if it belongs to the end of a text.
    pub(super) fn skip(&mut self, start: u64, end: u64, found: &mut Vec<(u64, u64)>) {
        self.skipped_start.get_or_insert(start);
        self.dropped_start.get_or_insert(start);
        if let Some((first, _)) = self.open_match {
            found.push((first, end));
        }
        self.count_skipped();
    }

    /// Drops white space.
    pub(super) fn skip_space(&mut self, start: u64) {
        self.skipped_start = None;
        self.dropped_start.get_or_insert(start);
        self.open_match = self.open_match.filter(|(_, edge)| *edge == Edge::Dropped);
        self.count_skipped();
    }

    /// Ends the text of which only dropped symbols remain.
    pub(super) fn end_match(&mut self) {
        self.open_match = None;
    }

    /// Starts again: no text includes what is here.
    pub(super) fn restart(&mut self) {
        self.state = self.finder.start;
        (self.skipped_start, self.dropped_start) = (None, None);
        self.end_match();
    }

    /// Returns where a text may begin that has not ended.
    pub(super) fn held_from(&self) -> Option<u64> {
        let depth = self.finder.depths.get(&self.state).copied()?;
        let first = self.nth_last(depth)?;
        Some(first.start_with(self.finder.widest_start))
    }

    /// Returns where the dropped symbols before the next kept one begin, if they can be the
    /// beginning of a text.
    pub(super) fn dropped_from(&self) -> Option<u64> {
        match self.finder.widest_start {
            Edge::Exact => None,
            Edge::Skipped => self.skipped_start,
            Edge::Dropped => self.dropped_start,
        }
    }

    fn nth_last(&self, count: usize) -> Option<KeptSymbol> {
        let index = self.kept.len().checked_sub(count)?;
        self.kept.get(index).copied()
    }

    fn count_skipped(&mut self) {
        self.skipped += 1;
        if self.skipped > MAX_SKIPPED {
            self.restart();
        }
    }
}
