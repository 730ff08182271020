//! Works on each component of a graph in dependency order, with a limit on how many run at once. Of
//! those that can start, the component with the longest path of dependents starts first.
//!
//! Decisions are made on the caller's thread, between the pieces of work. The work itself runs on
//! other threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use super::graph::Graph;
use crate::domain::name::ComponentName;

/// The result of one component's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResult<T, E> {
    /// The work succeeded.
    Succeeded(T),
    /// The work started and failed.
    Failed(E),
    /// It did not start, because it depends, directly or not, on this component, which failed.
    SkippedAfter(ComponentName),
    /// It did not start, because the caller allowed no new work.
    NotStarted,
}

/// The caller's decisions between the pieces of work.
pub trait SchedulerCallbacks<J, T, E> {
    /// Returns whether new work may start at all.
    fn may_start(&mut self) -> bool;

    /// Prepares the work on a component whose turn it is.
    ///
    /// # Errors
    /// The work cannot start. The component counts as failed.
    fn prepare(&mut self, component: &ComponentName) -> Result<J, E>;

    /// Checks whether work that has started may continue. The work calls this before each step with
    /// effects.
    ///
    /// # Errors
    /// The work must not continue. The component counts as failed.
    fn check_continue(&mut self, component: &ComponentName) -> Result<(), E>;

    /// Handles the result of a component, before any component that waits for it starts.
    fn on_result(&mut self, component: &ComponentName, result: &Result<T, E>);
}

/// Lets work that is running ask whether it may continue. The caller's thread answers.
pub struct ContinueGuard<'n, T, E> {
    name: &'n ComponentName,
    caller: mpsc::Sender<WorkerMessage<'n, T, E>>,
}

impl<T, E> ContinueGuard<'_, T, E> {
    /// Asks whether the work may continue, and waits for the answer.
    ///
    /// # Errors
    /// The work must not continue. There is no reason if the caller's thread has ended.
    pub fn check(&self) -> Result<(), Option<E>> {
        let (answer, response) = mpsc::channel();
        self.caller
            .send(WorkerMessage::AskContinue(self.name, answer))
            .map_err(|_| None)?;
        response.recv().map_err(|_| None)?.map_err(Some)
    }
}

/// A message to the caller's thread.
enum WorkerMessage<'n, T, E> {
    /// The work asks whether it may continue. The answer goes to the sender.
    AskContinue(&'n ComponentName, mpsc::Sender<Result<(), E>>),
    /// The work has ended.
    Ended(&'n ComponentName, Result<T, E>),
}

/// The work on a component.
pub type Work<'w, J, T, E> =
    dyn Fn(&ComponentName, J, &ContinueGuard<'_, T, E>) -> Result<T, E> + Sync + 'w;

/// Works through a graph with at most `parallel` pieces of work at once. Returns a result for every
/// component.
pub fn run_graph<J: Send, T: Send, E: Send>(
    graph: &Graph,
    parallel: usize,
    callbacks: &mut dyn SchedulerCallbacks<J, T, E>,
    work: &Work<'_, J, T, E>,
) -> BTreeMap<ComponentName, TaskResult<T, E>> {
    let mut schedule = Schedule {
        graph,
        path_lengths: graph.longest_paths(),
        waiting: graph.components().collect(),
        results: BTreeMap::new(),
    };
    let (sender, messages) = mpsc::channel();
    let mut running = 0_usize;
    std::thread::scope(|scope| {
        loop {
            while running < parallel.max(1) && callbacks.may_start() {
                let Some(name) = schedule.take_next() else {
                    break;
                };
                let job = match callbacks.prepare(name) {
                    Ok(job) => job,
                    Err(error) => {
                        schedule.record_result(callbacks, name, Err(error));
                        continue;
                    }
                };
                let caller = sender.clone();
                running += 1;
                // The receiver outlives the scope, so sending cannot fail.
                scope.spawn(move || {
                    let guard = ContinueGuard { name, caller };
                    let result = work(name, job, &guard);
                    drop(guard.caller.send(WorkerMessage::Ended(name, result)));
                });
            }
            if running == 0 {
                break;
            }
            match messages.recv() {
                // If the work has ended, it needs no answer.
                Ok(WorkerMessage::AskContinue(name, answer)) => {
                    drop(answer.send(callbacks.check_continue(name)));
                }
                Ok(WorkerMessage::Ended(name, result)) => {
                    running -= 1;
                    schedule.record_result(callbacks, name, result);
                }
                Err(mpsc::RecvError) => break,
            }
        }
    });
    schedule.finish()
}

/// The results so far, and the components that have not started.
struct Schedule<'g, T, E> {
    graph: &'g Graph,
    /// The length of the longest path that begins at each component.
    path_lengths: BTreeMap<&'g ComponentName, usize>,
    waiting: BTreeSet<&'g ComponentName>,
    results: BTreeMap<ComponentName, TaskResult<T, E>>,
}

impl<'g, T, E> Schedule<'g, T, E> {
    /// Takes the next component that may start: of those whose predecessors all succeeded, the one
    /// with the longest path.
    fn take_next(&mut self) -> Option<&'g ComponentName> {
        let is_ready = |name: &&&ComponentName| {
            self.graph.predecessors(name).all(|predecessor| {
                matches!(
                    self.results.get(predecessor),
                    Some(TaskResult::Succeeded(_))
                )
            })
        };
        // `max_by_key` returns the last of equals, so the order is reversed to get the first name.
        let next = self
            .waiting
            .iter()
            .rev()
            .filter(is_ready)
            .max_by_key(|name| self.path_lengths.get(**name))
            .copied()?;
        self.waiting.remove(next);
        Some(next)
    }

    /// Records a result. Components that wait for a failed one do not start.
    fn record_result<J>(
        &mut self,
        callbacks: &mut dyn SchedulerCallbacks<J, T, E>,
        name: &ComponentName,
        result: Result<T, E>,
    ) {
        callbacks.on_result(name, &result);
        let has_failed = result.is_err();
        self.results.insert(
            name.clone(),
            result.map_or_else(TaskResult::Failed, TaskResult::Succeeded),
        );
        if !has_failed {
            return;
        }
        let mut pending = vec![name.clone()];
        while let Some(skipped) = pending.pop() {
            let dependents: Vec<&ComponentName> = self
                .waiting
                .iter()
                .filter(|it| {
                    self.graph
                        .predecessors(it)
                        .any(|predecessor| *predecessor == skipped)
                })
                .copied()
                .collect();
            for dependent in dependents {
                self.waiting.remove(dependent);
                // The cause is the component that failed, even if others lie between.
                self.results
                    .insert(dependent.clone(), TaskResult::SkippedAfter(name.clone()));
                pending.push(dependent.clone());
            }
        }
    }

    /// Returns the results. Components that still wait were not started.
    fn finish(mut self) -> BTreeMap<ComponentName, TaskResult<T, E>> {
        self.results.extend(
            self.waiting
                .into_iter()
                .map(|name| (name.clone(), TaskResult::NotStarted)),
        );
        self.results
    }
}

#[cfg(test)]
mod tests;
