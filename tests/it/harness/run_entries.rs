//! Forged ends of runs, in the form of honest ones.

use git_deploy::testing::domain::entry::{
    Abort, Action, ComponentAtCommit, ComponentResult, Finish, Outcome, Start, Statement,
    VerificationResult,
};

use super::Member;

/// Returns the end of a run that has succeeded.
pub fn finish((sequence, start): &(u64, Start)) -> Action {
    let change = &start.deployment.components[0];
    let verification = VerificationResult::Passed;
    let ended = ComponentResult {
        target: change.target.clone(),
        outcome: Outcome::Succeeded,
        because: None,
        to: None,
        verification,
    };
    Action::Finish(Finish {
        start: *sequence,
        run: start.run,
        kind: start.deployment.kind,
        components: vec![ended],
        approved_by: vec![],
        change: start.deployment.change.clone(),
        labels: start.deployment.labels.clone(),
        description: start.deployment.description.clone(),
        break_glass: None,
        status: None,
        commands: vec![],
        logs: vec![],
    })
}

/// Returns the end of a run that is given up.
pub fn abort((start, began): &(u64, Start)) -> Action {
    let components = began.deployment.changed().map(|it| ComponentAtCommit {
        component: it.target.component.clone(),
        commit: it.target.commit,
    });
    Action::Abort(Abort {
        start: *start,
        run: began.run,
        components: components.collect(),
        reason: "stuck".parse().unwrap(),
    })
}

/// Returns the sequence number and the start of the run of an environment, whose newest entry is its start.
pub fn read_start(member: &Member<'_>, environment: &str) -> (u64, Start) {
    let name = format!("refs/deploy/{environment}:entry.json");
    let began = Statement::parse(&member.bytes("blob", &name)).unwrap();
    let Action::Start(start) = began.action else {
        panic!("not a start")
    };
    (began.sequence, start)
}
