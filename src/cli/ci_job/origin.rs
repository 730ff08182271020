//! Reads the origin of a deployment from the variables of a CI job.
//!
//! A value that is not valid is left out with a warning: a strange branch name is no reason to stop
//! a deployment. Warnings do not repeat values, which may contain secrets.

use super::systems::{CiSystem, SYSTEMS, TWO_SYSTEMS};
use super::trigger::Trigger;
use super::variables::VariableLookup;
use crate::domain::address::Address;
use crate::domain::entry::Origin;
use crate::domain::text::Line;

/// The facts about a deployment that the variables of a CI job contain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct CiOrigin {
    /// The change request that the job runs for.
    pub change: Option<Line>,
    /// The other values.
    pub origin: Origin,
    /// One sentence for each value that was left out.
    pub warnings: Vec<String>,
}

/// Reads the variables. The result is empty outside of a known CI system.
pub(in crate::cli) fn read_ci_origin(variable: VariableLookup<'_>) -> CiOrigin {
    let mut ci_origin = CiOrigin::default();
    let mut active = SYSTEMS.iter().filter(|system| (system.is_active)(variable));
    match (active.next(), active.next()) {
        (None, _) => {}
        (Some(system), None) => ci_origin.add_system(system, variable),
        (Some(_), Some(_)) => ci_origin
            .warnings
            .push(format!("the origin is not recorded: {TWO_SYSTEMS}")),
    }
    ci_origin
}

impl CiOrigin {
    fn add_system(&mut self, system: &CiSystem, variable: VariableLookup<'_>) {
        let address = |text: &str| Address::without_credentials(&text.replace(' ', "%20"));
        self.origin.system = system.name.parse().ok();
        self.origin.run_url = self.read_input("run-url", system.run_url, variable, address);
        self.origin.actor = self.read_input("actor", system.actor, variable, str::parse);
        self.origin.repository =
            self.read_input("repository", system.repository, variable, |text| {
                address(text).map(Address::without_query)
            });
        self.origin.email = self.read_input("email", system.email, variable, str::parse);
        match (system.read_trigger)(variable) {
            None => {}
            Some(Ok(Trigger::Branch(name))) => self.origin.branch = name.as_str().parse().ok(),
            Some(Ok(Trigger::Tag(name))) => self.origin.tag = name.as_str().parse().ok(),
            Some(Ok(Trigger::Change { number, .. })) => {
                self.change = number.to_string().parse().ok();
            }
            Some(Err(why)) => self.warnings.push(format!(
                "the branch, tag or change request of the CI job is not recorded: {why}"
            )),
        }
    }

    /// Reads the value of an input from the first alternative whose variables are all set. Adds a warning
    /// if that value is not valid.
    fn read_input<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        alternatives: &[&str],
        variable: VariableLookup<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (alternative, text) = alternatives
            .iter()
            .find_map(|it| Some((it, expand(it, variable)?)))?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.warnings.push(format!(
                    "the input {name} from {alternative} is not recorded: {error}"
                ));
                None
            }
        }
    }
}

/// Replaces each `{NAME}` by the value of the variable. Returns `None` if one is not set.
fn expand(alternative: &str, variable: VariableLookup<'_>) -> Option<String> {
    let mut text = String::new();
    let mut rest = alternative;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&variable(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests;
