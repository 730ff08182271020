//! Resolves revisions: the name of an environment stands for the commit that runs there, and
//! everything else is a Git revision.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::state::Scope;

impl Workspace {
    /// Returns the commit of each component that runs in an environment. Returns `None` if `word`
    /// names no environment.
    ///
    /// Components that the policy no longer has are left out, unless nothing else runs.
    pub fn find_running(
        &self,
        word: &str,
    ) -> Result<Option<BTreeMap<ComponentName, CommitId>>, CliError> {
        self.read_running(word, &|name| self.policy.has_component(name))
    }

    /// Returns what [`Workspace::find_running`] does, and also the components that still run under a
    /// former name.
    pub fn find_running_under_any_name(
        &self,
        word: &str,
    ) -> Result<Option<BTreeMap<ComponentName, CommitId>>, CliError> {
        self.read_running(word, &|name| {
            self.policy.has_component(self.policy.current_name(name))
        })
    }

    /// Returns the commit of each component of an environment for which `is_kept` returns true, or of
    /// all of them if it returns true for none.
    fn read_running(
        &self,
        word: &str,
        is_kept: &dyn Fn(&ComponentName) -> bool,
    ) -> Result<Option<BTreeMap<ComponentName, CommitId>>, CliError> {
        let Ok(name) = word.parse::<EnvName>() else {
            return Ok(None);
        };
        let Some((env, _)) = EnvRef::find(&self.policy, &name) else {
            return Ok(None);
        };
        let state = self.read_state(env.ledger(), &Scope::All)?;
        let components = env.state_in(&state).components();
        if components.is_empty() {
            return Err(
                CliError::new(ErrorKind::Usage, format!("nothing runs in {name} yet"))
                    .hint("git deploy status"),
            );
        }
        let mut running: BTreeMap<_, _> = components
            .into_iter()
            .map(|(name, commit)| (name.clone(), commit))
            .collect();
        if running.keys().any(is_kept) {
            running.retain(|name, _| is_kept(name));
        }
        Ok(Some(running))
    }

    /// Resolves a revision: a Git revision, the name of an environment, or `ENV:COMPONENT`.
    ///
    /// # Errors
    ///
    /// Fails if there is no such commit, or if an environment runs several different commits.
    ///
    /// Also fails if a branch or a tag has the name of an environment that runs another commit.
    pub fn resolve_commit(&self, revision: &str) -> Result<CommitId, CliError> {
        let suggest_ref = |error: CliError| match self.find_namesake(revision) {
            Some((name, kind, _)) => error.hint(format!("{name}, for the {kind}")),
            None => error,
        };
        if let Some(running) = self.find_running(revision).map_err(suggest_ref)? {
            let commits: BTreeSet<CommitId> = running.values().copied().collect();
            let mut distinct = commits.iter();
            return match (distinct.next(), distinct.next(), running.keys().next()) {
                (Some(commit), None, component) => {
                    self.require_same_commit(revision, *commit, component)?;
                    Ok(*commit)
                }
                (.., component) => {
                    let message = format!(
                        "{revision} runs {} different commits: choose a component",
                        commits.len()
                    );
                    let example = component.map_or_else(String::new, |name| {
                        format!("{revision}:{name}, for the commit of {name}")
                    });
                    let error = CliError::new(ErrorKind::Usage, message)
                        .hint(example)
                        .hint(format!("git deploy status {revision}"));
                    Err(suggest_ref(error))
                }
            };
        }
        if let Some((environment, component)) = revision.split_once(':')
            && let Some(running) = self.find_running(environment)?
        {
            let names: Vec<&str> = running.keys().map(ComponentName::as_str).collect();
            let message = || {
                format!(
                    "{environment} does not run the component {component:?}: it runs {}",
                    names.join(", ")
                )
            };
            return running
                .get(component)
                .copied()
                .ok_or_else(|| CliError::new(ErrorKind::Usage, message()));
        }
        let unknown = || match revision {
            // HEAD always exists, but has no commit before the first one.
            "HEAD" => CliError::new(ErrorKind::Usage, "this repository has no commits yet")
                .hint("git commit"),
            _ => super::diagnostics::explain_no_commit(
                &self.repository,
                self.remote.as_deref(),
                revision,
            ),
        };
        let resolved = self.repository.resolve_revision(revision).context(
            ErrorKind::CannotTell,
            format!("cannot resolve {revision:?}"),
        )?;
        let commit = resolved.map(CommitId).ok_or_else(unknown)?;
        self.refuse_entry_as_commit(revision, commit)?;
        Ok(commit)
    }

    /// Checks that a word that names an environment does not also name a branch or a tag at another
    /// commit. `component` is one that the environment runs.
    fn require_same_commit(
        &self,
        word: &str,
        running: CommitId,
        component: Option<&ComponentName>,
    ) -> Result<(), CliError> {
        let Some((reference, kind, commit)) = self.find_namesake(word) else {
            return Ok(());
        };
        if commit == running {
            return Ok(());
        }
        let message = format!(
            "{word} is ambiguous: the environment runs {}, and the {kind} is at {}",
            running.short(),
            commit.short()
        );
        let error = CliError::new(ErrorKind::Usage, message);
        let error = component.into_iter().fold(error, |error, name| {
            error.hint(format!("{word}:{name}, for the environment"))
        });
        Err(error.hint(format!("{reference}, for the {kind}")))
    }

    /// Finds the branch or the tag of this name. Returns how to write it so that it cannot be an
    /// environment, what it is, and its commit.
    fn find_namesake(&self, word: &str) -> Option<(String, &'static str, CommitId)> {
        [("heads", "branch"), ("tags", "tag")]
            .into_iter()
            .find_map(|(folder, kind)| {
                let reference = format!("{folder}/{word}");
                let found = self
                    .repository
                    .resolve_revision(&format!("refs/{reference}"));
                let commit = found.ok().flatten()?;
                Some((reference, kind, CommitId(commit)))
            })
    }
}
