//! Tests of the rule `state`: entries that do not fit the ledger's state are refused.

use super::*;
use crate::domain::entry::{
    Abort, Baseline, ComponentAtCommit, ComponentChange, Expire, Finish, Hold, Lock, Outcome,
    PolicyRevoke, Resume, Unyank, VerificationResult,
};
use crate::domain::id::{Digest, RunId};
use crate::domain::rules::testing::{
    Case, approve, change, commit, content, deploy, deployment as of, entry_time, finish, parse,
    ran, record, start,
};
use crate::domain::time::Span;

const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";

fn after(history: Vec<(&str, Action)>, action: Action) -> Case {
    Case::after(POLICY, "prod", history, "alice", action)
}

fn begun() -> Action {
    deploy("catalogue", 2, Some(1))
}

/// Returns a case after two entries: entry 1 deployed commit 1, and entry 2 started commit 2.
fn after_start(action: Action) -> Case {
    after(
        vec![("alice", ran("catalogue", 1, None)), ("alice", begun())],
        action,
    )
}

fn ended(outcome: Outcome) -> Finish {
    match finish(2, &begun(), outcome, VerificationResult::None) {
        Action::Finish(finish) => finish,
        other => panic!("{} is no finish", other.name()),
    }
}

fn abort(run: u8, components: &[(&str, u8)]) -> Action {
    let component = |&(name, number): &(&str, u8)| ComponentAtCommit {
        component: parse(name),
        commit: commit(number),
    };
    let components = components.iter().map(component).collect();
    Action::Abort(Abort {
        start: 2,
        run: RunId([run; 16]),
        components,
        reason: parse("gone"),
    })
}

/// An abort names exactly the components that the run was changing: notes and histories rely on it.
#[test]
fn an_abort_names_what_was_changing() {
    after_start(abort(1, &[("catalogue", 2)])).passes(Rule::State);
    for other in [
        &[][..],
        &[("catalogue", 1)],
        &[("other", 2)],
        &[("catalogue", 2), ("other", 2)],
    ] {
        after_start(abort(1, other)).fails(Rule::State, "not those that the run was changing");
    }
}

/// Only the newest `run` id can finish or abort a run, and a run that has ended cannot be resumed.
#[test]
fn the_newest_run() {
    let resume = |run| {
        Action::Resume(Resume {
            start: 2,
            run: RunId([run; 16]),
            reason: None,
        })
    };
    let abort = |run| abort(run, &[("catalogue", 2)]);
    let mut taken = vec![
        ("alice", ran("catalogue", 1, None)),
        ("alice", begun()),
        ("bob", resume(2)),
    ];
    after_start(Action::Finish(ended(Outcome::Succeeded))).passes(Rule::State);
    after_start(abort(1)).passes(Rule::State);
    after_start(resume(2)).passes(Rule::State);
    after_start(resume(1)).fails(Rule::State, "is the id of an unfinished run");
    for late in [Action::Finish(ended(Outcome::Succeeded)), abort(1)] {
        after(taken.clone(), late).fails(Rule::State, "taken over by bob with entry 3");
    }
    after(
        taken.clone(),
        start(
            2,
            of(DeploymentKind::Deploy, vec![change("other", 1, None)]),
        ),
    )
    .fails(Rule::State, "unfinished run");
    after(taken.clone(), resume(1)).fails(Rule::State, "unfinished run");
    // The process that resumed the run first would go on if its id came back.
    let taken_twice = [taken.clone(), vec![("carol", resume(3))]].concat();
    for (id, is_new) in [(1, false), (2, false), (3, false), (4, true)] {
        let case = after(taken_twice.clone(), resume(id));
        if is_new {
            case.passes(Rule::State);
        } else {
            case.fails(Rule::State, "unfinished run");
        }
    }
    let mut unread = after(taken_twice, resume(4));
    unread.facts.run_ids = None;
    unread.unknown(Rule::State, "not read");
    taken.push(("bob", abort(2)));
    for dead in [
        resume(3),
        abort(2),
        Action::Finish(ended(Outcome::Succeeded)),
    ] {
        after(taken.clone(), dead).fails(Rule::State, "run 2 is not open");
    }
}

/// The rules judged the start. A finish must repeat it.
#[test]
fn a_finish_repeats_its_start() {
    type Edit = fn(&mut Finish);
    let edits: [(&str, Edit); 9] = [
        ("kind", |it| it.kind = DeploymentKind::Rollback),
        ("approvers", |it| it.approved_by = vec![parse("bob")]),
        ("description", |it| it.description = Some(parse("x"))),
        ("reason to break glass", |it| {
            it.break_glass = Some(parse("x"));
        }),
        ("components or commits", |it| {
            it.components[0].target.commit = commit(3);
        }),
        ("components or commits", |it| {
            it.components[0].target.content = Some(content(3));
        }),
        ("components or commits", |it| {
            it.components[0].target.version = Some(parse("9"));
        }),
        ("components or commits", |it| it.components.clear()),
        ("does not fit the start", |it| {
            it.components[0].outcome = Outcome::Destroyed;
        }),
    ];
    for (words, edit) in edits {
        let mut wrong = ended(Outcome::Succeeded);
        edit(&mut wrong);
        after_start(Action::Finish(wrong)).fails(Rule::State, words);
    }
}

/// A rollback restores the commit that ran before, and a skip names a component of the same run.
#[test]
fn rolled_back() {
    let mut back = ended(Outcome::RolledBack);
    after_start(Action::Finish(back.clone())).passes(Rule::State);
    back.components[0].to = Some(commit(3));
    after_start(Action::Finish(back)).fails(Rule::State, "rolled back to another commit");
    let mut skipped = ended(Outcome::Skipped);
    skipped.components[0].because = Some(parse("nope"));
    after_start(Action::Finish(skipped)).fails(Rule::State, "because of nope");
    let deploy_second = |from| of(DeploymentKind::Deploy, vec![change("catalogue", 2, from)]);
    let Action::Record(mut wrong) = record(
        deploy_second(Some(1)),
        Outcome::RolledBack,
        VerificationResult::None,
    ) else {
        panic!("no record")
    };
    wrong.results[0].to = Some(commit(3));
    after(
        vec![("alice", ran("catalogue", 1, None))],
        Action::Record(wrong),
    )
    .fails(Rule::State, "rolled back to another");
}

/// A lock is for something that is not locked, and an unlock lifts an existing lock or hold.
#[test]
fn locks_and_holds() {
    let lock = |component: Option<&str>| {
        Action::Lock(Lock {
            component: component.map(parse),
            until: None,
            reason: parse("x"),
        })
    };
    let unlock = |component: Option<&str>| {
        Action::Unlock(Unlock {
            component: component.map(parse),
            commit: None,
            holds: Vec::new(),
            comment: None,
        })
    };
    after(vec![], lock(None)).passes(Rule::State);
    after(vec![("bob", lock(None))], lock(None)).fails(Rule::State, "already locked");
    after(vec![("bob", lock(None))], lock(Some("catalogue"))).passes(Rule::State);
    after(vec![("bob", lock(None))], unlock(None)).passes(Rule::State);
    after(vec![("bob", lock(None))], unlock(Some("catalogue")))
        .fails(Rule::State, "prod is not locked");
    // A lock that has ended can be replaced, and cannot be removed.
    let mut ending = lock(None);
    if let Action::Lock(it) = &mut ending {
        it.until = Some(parse("2026-03-05T10:00:00Z"));
    }
    let history = || vec![("bob", ending.clone())];
    after(history(), lock(None)).passes(Rule::State);
    after(history(), unlock(None)).fails(
        Rule::State,
        "prod is no longer locked: the lock of bob ended at 2026-03-05T10:00:00Z",
    );
    for (action, passes) in [(lock(None), false), (unlock(None), true)] {
        let mut case = after(history(), action);
        case.now = parse("2026-03-05T09:59:59Z");
        if passes {
            case.passes(Rule::State);
        } else {
            drop(case.fails(Rule::State, "already locked"));
        }
    }
    let lift = |byte| {
        Action::Unlock(Unlock {
            component: None,
            commit: Some(commit(byte)),
            holds: vec![Hold {
                component: parse("catalogue"),
                content: content(byte),
            }],
            comment: None,
        })
    };
    let failed = record(
        of(DeploymentKind::Deploy, vec![change("catalogue", 2, None)]),
        Outcome::Failed,
        VerificationResult::None,
    );
    after(vec![("alice", failed.clone())], lift(2)).passes(Rule::State);
    after(vec![("alice", failed)], lift(3)).fails(Rule::State, "is not on hold in prod");
}

/// A revoke names an existing approval and its approver.
#[test]
fn approvals() {
    let revoke = |byte, who: &str| {
        Action::Revoke(Revoke {
            commit: commit(byte),
            approver: parse(who),
            comment: None,
        })
    };
    let history = || vec![("bob", approve(1, &["catalogue"]))];
    after(history(), revoke(1, "bob")).passes(Rule::State);
    after(history(), revoke(2, "bob")).fails(Rule::State, "has no approval of");
    after(history(), revoke(1, "carol")).fails(Rule::State, "has no approval of");
    let revoke = PolicyRevoke {
        digest: Digest::sha256(b"x"),
        approver: parse("bob"),
        comment: None,
    };
    Case::new(POLICY, "policy", "bob", Action::PolicyRevoke(revoke))
        .fails(Rule::State, "has no approval of");
}

/// A component with a history cannot get a baseline, which could hide a deployment or a failure.
#[test]
fn baselines() {
    let baseline = || {
        Action::Baseline(Baseline {
            components: vec![change("catalogue", 1, None).target],
            comment: None,
        })
    };
    after(vec![], baseline()).passes(Rule::State);
    for before in [
        baseline(),
        ran("catalogue", 1, None),
        deploy("catalogue", 1, None),
    ] {
        after(vec![("alice", before)], baseline())
            .fails(Rule::State, "before the first deployment");
    }
    let within = Case::within(POLICY, "pr", Some("pr-7"), vec![], "alice", baseline());
    within.fails(Rule::State, "cannot have a baseline");
}

/// Something yanked cannot be yanked again, and only something yanked can be unyanked.
#[test]
fn yanks() {
    let yank = Yank {
        commit: None,
        digest: Some(Digest::sha256(b"x")),
        contents: Vec::new(),
        reason: parse("bad"),
    };
    let evidence = |history, action| Case::after(POLICY, "evidence", history, "alice", action);
    let open = || vec![("bob", Action::Yank(yank.clone()))];
    evidence(vec![], Action::Yank(yank.clone())).passes(Rule::State);
    evidence(open(), Action::Yank(yank.clone())).fails(Rule::State, "already yanked");
    evidence(open(), Action::Unyank(Unyank(yank.clone()))).passes(Rule::State);
    evidence(vec![], Action::Unyank(Unyank(yank.clone()))).fails(Rule::State, "not yanked");
    // The contents that become usable again are those that the yank covers.
    let covered = |number: u8| YankedContent {
        component: parse("api"),
        content: content(number),
    };
    let of_commit = |contents| Yank {
        commit: Some(commit(1)),
        digest: None,
        contents,
        reason: parse("bad"),
    };
    let open = || vec![("bob", Action::Yank(of_commit(vec![covered(1), covered(2)])))];
    for contents in [vec![], vec![covered(1)], vec![covered(1), covered(3)]] {
        evidence(open(), Action::Unyank(Unyank(of_commit(contents))))
            .fails(Rule::State, "not those that the yank covers");
    }
    let all = of_commit(vec![covered(1), covered(2)]);
    let case = evidence(open(), Action::Unyank(Unyank(all)));
    case.passes(Rule::State);
    assert!(
        case.state()
            .yanked_content(&parse("api"), content(2))
            .is_some()
    );
    // A yank replaces one that covers less of the same commit.
    for (open, new, extends) in [
        (vec![], vec![covered(1)], true),
        (vec![covered(1)], vec![covered(1), covered(2)], true),
        (vec![], vec![], false),
        (vec![covered(1)], vec![covered(1)], false),
        (vec![covered(1)], vec![covered(2)], false),
        (vec![covered(1)], vec![covered(2), covered(3)], false),
        (vec![covered(1), covered(2)], vec![covered(1)], false),
    ] {
        let open = vec![("bob", Action::Yank(of_commit(open)))];
        let case_of = |by: &str| {
            let yank = Action::Yank(of_commit(new.clone()));
            Case::after(POLICY, "evidence", open.clone(), by, yank)
        };
        let case = case_of("alice");
        if extends {
            case.passes(Rule::State);
            case.passes(Rule::Authorization);
            case_of("bob").passes(Rule::Authorization);
            case_of("carol").fails(Rule::Authorization, "only they or an admin");
        } else {
            case.fails(Rule::State, "already yanked");
        }
    }
}

fn hours(hours: u64) -> Time {
    entry_time().plus(Span::from_seconds(hours * 3_600))
}

fn create(expires: Option<Time>, from: Option<u8>) -> Action {
    let mut deployment = of(DeploymentKind::Deploy, vec![change("catalogue", 1, from)]);
    deployment.expires = expires;
    record(deployment, Outcome::Succeeded, VerificationResult::None)
}

fn within(environment: &str, history: Vec<(&str, Action)>, action: Action) -> Case {
    Case::within(POLICY, "pr", Some(environment), history, "alice", action)
}

/// An ephemeral environment has an expiry from the start, and no renewal exceeds the `ttl`.
#[test]
fn expiry() {
    within("pr-7", vec![], create(Some(hours(8)), None)).passes(Rule::State);
    within("pr-7", vec![], create(Some(hours(9)), None)).fails(
        Rule::State,
        "at 2026-03-05T18:00:00Z at the latest (ttl 8h)",
    );
    within("pr-7", vec![], create(None, None)).fails(Rule::State, "needs an expiry");
    let history = || vec![("alice", create(Some(hours(1)), None))];
    within("pr-7", history(), create(None, Some(1))).passes(Rule::State);
    let renew = |expires| {
        Action::Expire(Expire {
            expires,
            comment: None,
        })
    };
    within("pr-7", history(), renew(hours(8))).passes(Rule::State);
    within("pr-7", history(), renew(hours(9))).fails(Rule::State, "ttl 8h");
    within("pr-7", vec![], renew(hours(1))).fails(Rule::State, "no environment pr-7");
    after(vec![], renew(hours(1))).fails(Rule::State, "not ephemeral");
}

/// The number of ephemeral environments is limited. A lock alone does not make an environment
/// exist.
#[test]
fn limit() {
    let mut case = within(
        "pr-7",
        vec![("alice", create(Some(hours(1)), None))],
        create(Some(hours(1)), None),
    );
    case.statement.environment = Some(parse("pr-8"));
    case.passes(Rule::State);
    let mut state = case.state().clone();
    let entry = |environment: &str, action| {
        let mut entry = case.statement.clone();
        (entry.environment, entry.action) = (Some(parse(environment)), action);
        crate::domain::entry::samples::verified(&entry)
    };
    let lock = Action::Lock(Lock {
        component: None,
        until: None,
        reason: parse("x"),
    });
    state.apply(&crate::domain::state::fold(
        &state,
        &entry("pr-9", lock),
        None,
    ));
    case.facts.state = Some(Ok(state.clone()));
    case.passes(Rule::State);
    state.apply(&crate::domain::state::fold(
        &state,
        &entry("pr-9", create(Some(hours(1)), None)),
        None,
    ));
    case.facts.state = Some(Ok(state));
    case.fails(Rule::State, "2 of at most 2 environments exist");
    case.statement.environment = Some(parse("pr-7"));
    case.passes(Rule::State);
}

/// A destroy names every running component, and is for ephemeral environments only.
#[test]
fn destroyed() {
    let removal = || {
        let mut removal: ComponentChange = change("catalogue", 1, Some(1));
        removal.target.content = None;
        removal
    };
    let history = || vec![("alice", create(Some(hours(1)), None))];
    within(
        "pr-7",
        history(),
        start(1, of(DeploymentKind::Destroy, vec![removal()])),
    )
    .passes(Rule::State);
    within(
        "pr-7",
        history(),
        start(1, of(DeploymentKind::Destroy, vec![])),
    )
    .fails(Rule::State, "every component that runs");
    after(
        vec![("alice", ran("catalogue", 1, None))],
        start(1, of(DeploymentKind::Destroy, vec![removal()])),
    )
    .fails(Rule::State, "only an ephemeral environment");
    within(
        "pr-7",
        vec![],
        start(1, of(DeploymentKind::Destroy, vec![])),
    )
    .fails(Rule::State, "no environment pr-7 to destroy");
}

/// A destroy also removes what a failed or aborted attempt may have left behind, at the attempt's
/// commit.
#[test]
fn attempts_are_destroyed() {
    let begun = || {
        let mut deployment = of(DeploymentKind::Deploy, vec![change("catalogue", 1, None)]);
        deployment.expires = Some(hours(1));
        start(1, deployment)
    };
    let gone = |commit, from| {
        let mut gone: ComponentChange = change("catalogue", commit, from);
        gone.target.content = None;
        start(2, of(DeploymentKind::Destroy, vec![gone]))
    };
    let components = vec![ComponentAtCommit {
        component: parse("catalogue"),
        commit: commit(1),
    }];
    let abort = Abort {
        start: 1,
        run: RunId([1; 16]),
        components,
        reason: parse("gone"),
    };
    let failed = finish(1, &begun(), Outcome::Failed, VerificationResult::None);
    for end in [failed, Action::Abort(abort)] {
        let case = |action| {
            within(
                "pr-7",
                vec![("alice", begun()), ("alice", end.clone())],
                action,
            )
        };
        case(start(2, of(DeploymentKind::Destroy, vec![]))).fails(Rule::State, "or was attempted");
        for rule in [Rule::State, Rule::Content] {
            case(gone(1, None)).passes(rule);
        }
        case(gone(2, None)).fails(Rule::Content, "must name the running commit");
        case(gone(1, Some(1))).fails(Rule::Content, "not the running commit, nothing");
        // After its last component is destroyed, the environment no longer exists.
        let destroy_finish = finish(
            3,
            &gone(1, None),
            Outcome::Destroyed,
            VerificationResult::None,
        );
        let history = vec![
            ("alice", begun()),
            ("alice", end.clone()),
            ("alice", gone(1, None)),
            ("alice", destroy_finish),
        ];
        assert!(
            within("pr-7", history, begun())
                .state()
                .environments()
                .is_empty()
        );
    }
}

/// Without the ledger's state, the rule cannot tell.
#[test]
fn cannot_tell() {
    let mut case = after(vec![], deploy("catalogue", 1, None));
    case.passes(Rule::State);
    case.facts.state = Some(Err("unreadable".to_owned()));
    case.unknown(Rule::State, "unreadable");
}
