//! Works on each component of a graph: in its order, with a limit on how many run at once, the
//! longest path first.
//!
//! Decisions are made on the caller's thread, between the pieces of work. The work itself runs on
//! other threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use super::graph::Graph;
use crate::domain::name::ComponentName;

/// The result of one component's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<T, E> {
    /// The work succeeded.
    Done(T),
    /// The work started and failed.
    Failed(E),
    /// It did not start, because this component failed. It comes before, directly or not.
    After(ComponentName),
    /// It did not start, because no new work did.
    NotBegun,
}

/// The caller's decisions between the pieces of work.
pub trait Foreman<J, T, E> {
    /// Returns whether new work starts at all.
    fn goes_on(&mut self) -> bool;

    /// Prepares the work on a component whose turn it is.
    ///
    /// # Errors
    /// The work cannot start: the component has failed.
    fn begin(&mut self, component: &ComponentName) -> Result<J, E>;

    /// Checks whether work that has started may continue. The work asks before it does anything
    /// that must not be done needlessly.
    ///
    /// # Errors
    /// It may not: the component has failed.
    fn may_go_on(&mut self, component: &ComponentName) -> Result<(), E>;

    /// Handles the result of a component, before any component that waits for it starts.
    fn ended(&mut self, component: &ComponentName, result: &Result<T, E>);
}

/// Lets work that is running ask whether it may continue. The caller's thread answers.
pub struct Leave<'n, T, E> {
    name: &'n ComponentName,
    caller: mpsc::Sender<News<'n, T, E>>,
}

impl<T, E> Leave<'_, T, E> {
    /// Asks whether the work may continue, and waits for the answer.
    ///
    /// # Errors
    /// The work may not continue. There is no reason if the caller's thread has ended.
    pub fn ask(&self) -> Result<(), Option<E>> {
        let (answer, answered) = mpsc::channel();
        self.caller
            .send(News::Asks(self.name, answer))
            .map_err(|_| None)?;
        answered.recv().map_err(|_| None)?.map_err(Some)
    }
}

/// A message to the caller's thread.
enum News<'n, T, E> {
    Asks(&'n ComponentName, mpsc::Sender<Result<(), E>>),
    Ended(&'n ComponentName, Result<T, E>),
}

/// The work on a component.
pub type Work<'w, J, T, E> =
    dyn Fn(&ComponentName, J, &Leave<'_, T, E>) -> Result<T, E> + Sync + 'w;

/// Works through a graph with at most `parallel` pieces of work at once. Returns a result for every
/// component.
pub fn carry_out<J: Send, T: Send, E: Send>(
    graph: &Graph,
    parallel: usize,
    foreman: &mut dyn Foreman<J, T, E>,
    work: &Work<'_, J, T, E>,
) -> BTreeMap<ComponentName, Fate<T, E>> {
    let ways = graph.ways();
    let mut waiting: BTreeSet<&ComponentName> = graph.names().collect();
    let mut fates: BTreeMap<ComponentName, Fate<T, E>> = BTreeMap::new();
    let (sender, news) = mpsc::channel();
    let mut running = 0_usize;
    std::thread::scope(|scope| {
        loop {
            while running < parallel.max(1) && foreman.goes_on() {
                let ready = |name: &&&ComponentName| {
                    graph
                        .before(name)
                        .all(|before| matches!(fates.get(before), Some(Fate::Done(_))))
                };
                // `max_by_key` returns the last of several, so the names are reversed to get the
                // first.
                let next = waiting
                    .iter()
                    .rev()
                    .filter(ready)
                    .max_by_key(|name| ways.get(**name))
                    .copied();
                let Some(name) = next else { break };
                waiting.remove(name);
                match foreman.begin(name) {
                    Ok(job) => {
                        let sender = sender.clone();
                        running += 1;
                        // The receiver outlives the scope, so sending cannot fail.
                        scope.spawn(move || {
                            let leave = Leave {
                                name,
                                caller: sender,
                            };
                            let result = work(name, job, &leave);
                            drop(leave.caller.send(News::Ended(name, result)));
                        });
                    }
                    Err(error) => {
                        conclude(graph, foreman, &mut waiting, &mut fates, (name, Err(error)))
                    }
                }
            }
            if running == 0 {
                break;
            }
            match news.recv() {
                // The one who asked may have ended and needs no answer.
                Ok(News::Asks(name, answer)) => drop(answer.send(foreman.may_go_on(name))),
                Ok(News::Ended(name, result)) => {
                    running -= 1;
                    conclude(graph, foreman, &mut waiting, &mut fates, (name, result));
                }
                Err(mpsc::RecvError) => break,
            }
        }
    });
    fates.extend(
        waiting
            .into_iter()
            .map(|name| (name.clone(), Fate::NotBegun)),
    );
    fates
}

/// Records a result. Components that wait for a failed one do not start.
fn conclude<J, T, E>(
    graph: &Graph,
    foreman: &mut dyn Foreman<J, T, E>,
    waiting: &mut BTreeSet<&ComponentName>,
    fates: &mut BTreeMap<ComponentName, Fate<T, E>>,
    (name, result): (&ComponentName, Result<T, E>),
) {
    foreman.ended(name, &result);
    let failed = result.is_err();
    fates.insert(name.clone(), result.map_or_else(Fate::Failed, Fate::Done));
    if !failed {
        return;
    }
    let mut out = vec![name.clone()];
    while let Some(gone) = out.pop() {
        let after: Vec<ComponentName> = waiting
            .iter()
            .filter(|it| graph.before(it).any(|before| *before == gone))
            .map(|it| (*it).clone())
            .collect();
        for it in after {
            waiting.remove(&it);
            // The component that failed first, however far back.
            fates.insert(it.clone(), Fate::After(name.clone()));
            out.push(it);
        }
    }
}

#[cfg(test)]
mod tests;
