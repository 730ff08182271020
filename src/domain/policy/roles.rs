//! Who may do what in an environment, as far as several keys of the policy decide it together.

use std::collections::BTreeSet;

use super::Policy;
use super::environment::Environment;
use super::people::Members;
use crate::domain::name::Person;

impl Policy {
    /// Returns the people whose approval may count in an environment although they wrote the commits:
    /// the policy has no address by which `prevent_self` could recognize them.
    pub fn unrecognized_approvers<'e>(&self, environment: &'e Environment) -> BTreeSet<&'e Person> {
        let requirements = environment.approvals.iter();
        let approvers = requirements
            .filter(|requirement| requirement.prevent_self.excludes_authors())
            .flat_map(|requirement| requirement.by.persons());
        let is_unrecognized = |person: &&Person| {
            let listed = self.people.get(*person);
            listed.is_some_and(|it| !it.machine && it.emails.is_empty())
        };
        approvers.filter(is_unrecognized).collect()
    }

    /// Returns the people who may unlock an environment and lift its holds: its deployers and
    /// approvers, and the admins. A machine may not.
    pub fn unlockers(
        &self,
        environment: &Environment,
        admins: BTreeSet<Person>,
    ) -> BTreeSet<Person> {
        let approvers = environment.approvals.iter().map(|it| &it.by);
        let members = approvers.chain([&environment.deployers]);
        let mut able = admins;
        able.extend(members.flat_map(Members::persons).cloned());
        able.retain(|person| !self.is_machine(person));
        able
    }
}
