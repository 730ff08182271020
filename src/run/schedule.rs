//! Does something with each component of a graph: in its order, as many at once as may be, the longest way ahead first.
//!
//! What is decided is decided on the caller's thread, between the pieces of work; the work itself runs on others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use super::graph::Graph;
use crate::domain::name::ComponentName;

/// What became of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<T, E> {
    /// It was done.
    Done(T),
    /// It was begun and failed.
    Failed(E),
    /// It was not begun, because this one before it failed or was not begun either for its sake.
    After(ComponentName),
    /// It was not begun, because nothing was any more.
    NotBegun,
}

/// What the caller has to say between the pieces of work.
pub trait Foreman<J, T, E> {
    /// Whether anything new is begun at all.
    fn goes_on(&mut self) -> bool;

    /// Prepares the work on a component whose turn it is.
    ///
    /// # Errors
    /// It cannot be begun: it has failed.
    fn begin(&mut self, component: &ComponentName) -> Result<J, E>;

    /// Whether work that has begun may go on: asked from it, before it does what must not be done in vain.
    ///
    /// # Errors
    /// It may not: it has failed.
    fn may_go_on(&mut self, component: &ComponentName) -> Result<(), E>;

    /// Hears how it ended, before anything that waits for it begins.
    fn ended(&mut self, component: &ComponentName, result: &Result<T, E>);
}

/// What a piece of work asks, on its way, whether it may go on. The caller's thread answers.
pub struct Leave<'n, T, E> {
    name: &'n ComponentName,
    caller: mpsc::Sender<News<'n, T, E>>,
}

impl<T, E> Leave<'_, T, E> {
    /// Asks.
    ///
    /// # Errors
    /// It may not; without a reason where nobody answers.
    pub fn ask(&self) -> Result<(), Option<E>> {
        let (answer, answered) = mpsc::channel();
        self.caller
            .send(News::Asks(self.name, answer))
            .map_err(|_| None)?;
        answered.recv().map_err(|_| None)?.map_err(Some)
    }
}

/// What the caller's thread hears from the others.
enum News<'n, T, E> {
    Asks(&'n ComponentName, mpsc::Sender<Result<(), E>>),
    Ended(&'n ComponentName, Result<T, E>),
}

/// What is done with a component.
pub type Work<'w, J, T, E> =
    dyn Fn(&ComponentName, J, &Leave<'_, T, E>) -> Result<T, E> + Sync + 'w;

/// Works through a graph with at most `parallel` pieces of work at once. Every component has a fate in the end.
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
                // Of several the last counts: backwards, so that it is the first by name.
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
                        // The receiver outlives the scope, so nobody is gone who could not be told.
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
                // Whoever asked and is gone needs no answer.
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

/// Takes a result down; what waits for a failure is out.
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
            // Whose fault it is, however far back.
            fates.insert(it.clone(), Fate::After(name.clone()));
            out.push(it);
        }
    }
}

#[cfg(test)]
mod tests;
