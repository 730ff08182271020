//! Records what the environments of a project already run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::append_report::format_with_entry;
use crate::cli::baseline::{self, BaselineCommits};
use crate::cli::entry_name::format_entry_name;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::state::Scope;
use crate::ledger::writer::AppendOptions;
use crate::view::result_text;

/// The baseline of one environment.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BaselineDocument {
    /// The environment.
    environment: EnvName,
    /// The commit of the baseline entry.
    entry: EntryId,
    /// The commit of each component.
    components: BTreeMap<ComponentName, CommitId>,
}

/// Writes the baselines of the environments that have no history, and adds them to `recorded`.
///
/// Environments whose baseline was already recorded are skipped, so a repeated `init` continues
/// where the last one stopped.
pub(super) fn record_baselines(
    workspace: &Workspace,
    ui: &Ui,
    baselines: &BTreeMap<EnvName, BaselineCommits>,
    recorded: &mut Vec<BaselineDocument>,
) -> Result<(), CliError> {
    for (name, commits) in baselines {
        let (env, _) = workspace.find_environment(name.as_str())?;
        let state = workspace.read_state(env.ledger(), &Scope::All)?;
        let env_state = env.state_in(&state);
        let targets = commits.resolve_components(&workspace.gatherer(), &workspace.policy, name)?;
        if targets
            .keys()
            .all(|component| env_state.has_history(component))
        {
            ui.eprint_sentence(format_args!(
                "{name} already has a history, so no baseline is recorded: git deploy log {name}"
            ));
            continue;
        }
        let appended = workspace.append(ui, env.ledger(), AppendOptions::default(), &|snapshot| {
            baseline::draft_baseline(&env, snapshot, commits, &BTreeMap::new(), None)
        });
        let appended = appended.map_err(|error| error.hint("repeat the command to continue"))?;
        let results = appended.statement.component_results();
        let entry = format_entry_name(env.ledger(), appended.id);
        ui.print(format_with_entry(
            ui,
            &result_text::summarize_outcomes(name.as_str(), &results),
            &entry,
        ));
        let components = results
            .into_iter()
            .map(|it| (it.target.component, it.target.commit))
            .collect();
        recorded.push(BaselineDocument {
            environment: name.clone(),
            entry: appended.id,
            components,
        });
    }
    Ok(())
}
