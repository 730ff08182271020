//! Progress output of a deployment: on a terminal one updating line per active component, elsewhere
//! a plain line when a step begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Ui;
use crate::clock::Stopwatch;
use crate::domain::name::ComponentName;
use crate::run::component_steps::{ComponentStep, StepError, StepObserver};
use crate::view::grouping::list_or_count;
use crate::view::symbols::Mark;
use crate::view::wrap;

/// The interval at which an active line is redrawn.
const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// Steps that take at least this long are printed with their duration.
const MIN_SHOWN_DURATION: Duration = Duration::from_secs(2);

/// Prints the progress of a deployment.
pub struct DeploymentProgress<'a> {
    ui: &'a Ui,
    /// The width of the component names, which aligns the columns.
    name_width: usize,
    /// Whether to print nothing.
    is_hidden: bool,
    /// Whether only plans are made. A failed plan is then printed once it is clear whether it failed or
    /// must wait for another component, and without its output, which is printed with the plans.
    is_planning: bool,
    /// The updating lines; only on a terminal.
    bars: Option<MultiProgress>,
    active: Mutex<BTreeMap<ComponentName, ActiveStep>>,
}

/// A step that is running.
struct ActiveStep {
    stopwatch: Stopwatch,
    /// The updating line; only on a terminal.
    bar: Option<ProgressBar>,
}

impl<'a> DeploymentProgress<'a> {
    /// Returns the progress output of a deployment. `name_width` is the width of the longest
    /// component name.
    pub fn new(ui: &'a Ui, name_width: usize) -> Self {
        let terminal =
            std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && !ui.json();
        let bars = (terminal && !is_plain()).then(MultiProgress::new);
        Self {
            ui,
            name_width,
            is_hidden: false,
            is_planning: false,
            bars,
            active: Mutex::default(),
        }
    }

    /// Returns the progress output for planning, after which the plans are printed.
    pub fn for_planning(ui: &'a Ui, name_width: usize) -> Self {
        Self {
            is_planning: true,
            ..Self::new(ui, name_width)
        }
    }

    /// Returns a progress output that prints nothing.
    pub fn hidden(ui: &'a Ui) -> Self {
        Self {
            ui,
            name_width: 0,
            is_hidden: true,
            is_planning: false,
            bars: None,
            active: Mutex::default(),
        }
    }

    /// Prints text without disturbing the updating lines.
    pub fn print(&self, text: &str) {
        if self.is_hidden {
            return;
        }
        self.suspend(|| self.ui.print(text));
    }

    /// Runs `work`, for example a prompt, while the updating lines are hidden.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(work),
            None => work(),
        }
    }

    fn add_bar(&self, component: &ComponentName, step: ComponentStep) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner());
        // The template is a constant, and it is valid.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(self.format_head(component, step));
        bar.enable_steady_tick(TICK_INTERVAL);
        Some(bar)
    }

    fn format_head(&self, component: &ComponentName, step: ComponentStep) -> String {
        format!(
            "{:<7} {component:<width$}",
            step.name(),
            width = self.name_width
        )
    }

    fn print_log(&self, error: &StepError) {
        if error.log.is_file() {
            self.print(&format!("    full log: {}", error.log.display()));
        }
    }

    fn print_result(&self, head: &str, mark: Mark, text: &str, duration: Duration) {
        let duration = if duration >= MIN_SHOWN_DURATION {
            format!("  {} s", duration.as_secs())
        } else {
            String::new()
        };
        let text = if text.is_empty() {
            String::new()
        } else {
            format!(" {text}")
        };
        self.print(&format!("{head} {mark}{text}{duration}"));
    }
}

impl StepObserver for DeploymentProgress<'_> {
    fn on_rollback(&self, components: &BTreeSet<ComponentName>) {
        let names: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
        self.print(&format!("Rolling back: {}", names.join(", ")));
    }

    fn on_step_start(&self, component: &ComponentName, step: ComponentStep) {
        let bar = self.add_bar(component, step);
        if self.bars.is_none() && step != ComponentStep::Plan {
            self.print(&format!("{} …", self.format_head(component, step)));
        }
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let stopwatch = Stopwatch::start();
        active.insert(component.clone(), ActiveStep { stopwatch, bar });
    }

    fn on_line(&self, component: &ComponentName, line: &dyn Fn() -> String) {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = active.get(component).and_then(|step| step.bar.as_ref()) {
            // The ticks limit redrawing. Text wider than the terminal is cut.
            bar.set_message(line());
        }
    }

    fn on_step_end(
        &self,
        component: &ComponentName,
        step: ComponentStep,
        result: Result<&str, &StepError>,
    ) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = active.remove(component);
        drop(active);
        let duration = ended
            .as_ref()
            .map(|step| step.stopwatch.elapsed())
            .unwrap_or_default();
        if let Some(bar) = ended.and_then(|step| step.bar) {
            bar.finish_and_clear();
        }
        let head = self.format_head(component, step);
        match result {
            Ok(summary) => self.print_result(&head, Mark::Yes, summary, duration),
            Err(_) if self.is_planning => {}
            Err(error) => {
                self.print_result(&head, Mark::No, &error.reason, duration);
                let width = self.ui.width();
                let lines: Vec<String> = error
                    .last_lines
                    .iter()
                    .flat_map(|line| wrap::wrap_indented("    ", 4, line, width))
                    .collect();
                if !lines.is_empty() {
                    self.print(&lines.join("\n"));
                }
                self.print_log(error);
            }
        }
    }

    fn on_plan_missing(
        &self,
        component: &ComponentName,
        error: &StepError,
        waits_for: &[ComponentName],
    ) {
        if !self.is_planning {
            return;
        }
        let head = self.format_head(component, error.step);
        if waits_for.is_empty() {
            self.print_result(&head, Mark::No, &error.reason, Duration::ZERO);
        } else {
            let names: Vec<&str> = waits_for.iter().map(ComponentName::as_str).collect();
            let text = format!("waits for {}", list_or_count(&names));
            self.print_result(&head, Mark::Live, &text, Duration::ZERO);
        }
        self.print_log(error);
    }
}

/// Returns whether updating lines are unwanted: in CI, whose jobs may have a terminal, and on dumb
/// terminals.
fn is_plain() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("CI") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
