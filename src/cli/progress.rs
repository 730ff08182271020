//! Progress output of a deployment: on a terminal one updating line per active component, elsewhere
//! plain lines for each step that begins or ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Context;
use crate::clock::Stopwatch;
use crate::domain::name::ComponentName;
use crate::run::component_steps::{Broken, Step, Witness};
use crate::view::symbols::Mark;
use crate::view::wrap;

/// How often an active line is redrawn.
const TICK: Duration = Duration::from_millis(100);
/// Steps that take at least this long are printed with their duration.
const WORTH_SAYING: Duration = Duration::from_secs(2);

/// Prints the progress of a deployment.
pub struct Progress<'a> {
    context: &'a Context,
    /// The width of the component names, which aligns the columns.
    names: usize,
    /// Whether to print nothing.
    hidden: bool,
    /// Whether to leave the output of a failed command to the plans printed afterwards: a plan that
    /// fails may only have to wait.
    planning: bool,
    /// The updating lines; only on a terminal.
    bars: Option<MultiProgress>,
    at_work: Mutex<BTreeMap<ComponentName, (Stopwatch, Option<ProgressBar>)>>,
}

impl<'a> Progress<'a> {
    /// Returns the progress output of a deployment. `names` is the width of the longest component
    /// name.
    pub fn new(context: &'a Context, names: usize) -> Self {
        let terminal =
            std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && !context.json();
        let bars = (terminal && !is_plain()).then(MultiProgress::new);
        Self {
            context,
            names,
            hidden: false,
            planning: false,
            bars,
            at_work: Mutex::default(),
        }
    }

    /// Returns the progress output for planning, after which the plans are printed.
    pub fn planning(context: &'a Context, names: usize) -> Self {
        Self {
            planning: true,
            ..Self::new(context, names)
        }
    }

    /// Returns a progress output that prints nothing.
    pub fn hidden(context: &'a Context) -> Self {
        Self {
            context,
            names: 0,
            hidden: true,
            planning: false,
            bars: None,
            at_work: Mutex::default(),
        }
    }

    /// Prints text without disturbing the updating lines.
    pub fn say(&self, text: &str) {
        if self.hidden {
            return;
        }
        self.pause(|| self.context.print(text));
    }

    /// Runs `work` while the updating lines are hidden, for example a prompt.
    pub fn pause<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }

    fn bar(&self, component: &ComponentName, step: Step) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner());
        // The template is a constant, and it is valid.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(self.head(component, step));
        bar.enable_steady_tick(TICK);
        Some(bar)
    }

    fn head(&self, component: &ComponentName, step: Step) -> String {
        format!("{:<7} {component:<width$}", step.word(), width = self.names)
    }

    fn said(&self, head: &str, mark: Mark, words: &str, took: Duration) {
        let took = if took >= WORTH_SAYING {
            format!("  {} s", took.as_secs())
        } else {
            String::new()
        };
        let words = if words.is_empty() {
            String::new()
        } else {
            format!(" {words}")
        };
        self.say(&format!("{head} {mark}{words}{took}"));
    }
}

impl Witness for Progress<'_> {
    fn goes_back(&self, components: &BTreeSet<ComponentName>) {
        let names: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
        self.say(&format!("Going back: {}", names.join(", ")));
    }

    fn begins(&self, component: &ComponentName, step: Step) {
        let bar = self.bar(component, step);
        if self.bars.is_none() && step != Step::Plan {
            self.say(&format!("{} …", self.head(component, step)));
        }
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work.insert(component.clone(), (Stopwatch::start(), bar));
    }

    fn line(&self, component: &ComponentName, line: &dyn Fn() -> String) {
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, Some(bar))) = at_work.get(component) {
            // The ticks limit redrawing. Text wider than the terminal is cut.
            bar.set_message(line());
        }
    }

    fn ended(&self, component: &ComponentName, step: Step, result: Result<&str, &Broken>) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = at_work.remove(component);
        drop(at_work);
        let took = begun
            .as_ref()
            .map(|(watch, _)| watch.elapsed())
            .unwrap_or_default();
        if let Some(bar) = begun.and_then(|(_, bar)| bar) {
            bar.finish_and_clear();
        }
        let head = self.head(component, step);
        match result {
            Ok(words) => self.said(&head, Mark::Yes, words, took),
            Err(broken) => {
                self.said(&head, Mark::No, &broken.why, took);
                let width = self.context.width();
                let lines: Vec<String> = broken
                    .tail
                    .iter()
                    .flat_map(|line| wrap::below("    ", 4, line, width))
                    .collect();
                if !lines.is_empty() && !self.planning {
                    self.say(&lines.join("\n"));
                }
                if !broken.log.as_os_str().is_empty() {
                    self.say(&format!("    all of it: {}", broken.log.display()));
                }
            }
        }
    }
}

/// Returns whether updating lines are unwanted: in CI, whose jobs may have a terminal, and on dumb
/// terminals.
fn is_plain() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("CI") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
