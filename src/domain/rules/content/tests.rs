//! Tests of the rule `content`: an entry's claims are compared with the code and the ledger.

use super::*;
use crate::domain::entry::{
    Artifact, Baseline, Build, Hold, Image, Lock, Unlock, Verification, VerificationResult, Yank,
    YankedContent,
};
use crate::domain::policy::PublishedPolicy;
use crate::domain::rules::testing::{
    Case, approve, change, commit, content, deploy, deployment as of, key, parse, policy_text, ran,
    start,
};

const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n[components]\napi = { paths = [\"api/**\"] }\nweb = { paths = [\"web/**\"] }\n";

fn after_one(action: Action) -> Case {
    Case::after(
        POLICY,
        "prod",
        vec![("alice", ran("api", 1, None))],
        "alice",
        action,
    )
}

/// Starts a deployment of the component `api`, which runs commit 1. Without a content it is removed.
fn start_api(kind: DeploymentKind, to: u8, stated: Option<u8>) -> Action {
    let from = (kind != DeploymentKind::Exec).then_some(1);
    let mut api = change("api", to, from);
    api.target.content = stated.map(content);
    start(1, of(kind, vec![api]))
}

/// An entry cannot claim the content of an approved commit for another commit, or a content that
/// the commit lacks.
#[test]
fn contents_are_recomputed() {
    let mut case = after_one(deploy("api", 2, Some(1)));
    case.passes(Rule::Content);
    let slot = (commit(2), parse("api"));
    case.facts
        .contents
        .insert(slot.clone(), Ok(Some(content(3))));
    case.fails(
        Rule::Content,
        "the content of api at 020202020202 is 030303030303",
    );
    case.facts.contents.insert(slot.clone(), Ok(None));
    case.fails(Rule::Content, "api is absent at 020202020202");
    case.facts
        .contents
        .insert(slot.clone(), Err("too many files".to_owned()));
    case.unknown(Rule::Content, "too many files");
    case.facts.contents.remove(&slot);
    case.unknown(Rule::Content, "not read");
    Case::new(POLICY, "prod", "alice", deploy("nope", 2, None))
        .fails(Rule::Content, "no component nope");
}

/// A deployment is judged against the running commits, so it must name them.
#[test]
fn from_is_what_runs() {
    after_one(deploy("api", 2, None)).fails(
        Rule::Content,
        "not the running commit, 010101010101: try again",
    );
    after_one(deploy("api", 2, Some(3))).fails(Rule::Content, "not the running commit");
    Case::new(POLICY, "prod", "alice", deploy("api", 2, Some(3)))
        .fails(Rule::Content, "not the running commit, nothing");
    // The same content again is a deployment like any other.
    after_one(start_api(DeploymentKind::Deploy, 1, Some(1))).passes(Rule::Content);
}

/// A deployment removes only components that the commit lacks; a destroy names the running commits.
#[test]
fn destroyed() {
    after_one(start_api(DeploymentKind::Deploy, 2, None)).passes(Rule::Content);
    let mut there = after_one(start_api(DeploymentKind::Deploy, 2, None));
    there
        .facts
        .contents
        .insert((commit(2), parse("api")), Ok(Some(content(2))));
    there.fails(Rule::Content, "only absent components are destroyed");
    after_one(start_api(DeploymentKind::Destroy, 1, None)).passes(Rule::Content);
    after_one(start_api(DeploymentKind::Destroy, 2, None))
        .fails(Rule::Content, "must name the running commit");
    // A component that is no longer in the policy can still be removed.
    let mut gone = change("old", 2, Some(1));
    gone.target.content = None;
    let wanted = start(1, of(DeploymentKind::Deploy, vec![gone]));
    Case::after(
        POLICY,
        "prod",
        vec![("alice", ran("old", 1, None))],
        "alice",
        wanted,
    )
    .passes(Rule::Content);
}

/// A component that the policy no longer has can be approved and locked while it runs.
#[test]
fn running_components_are_known() {
    let lock = Action::Lock(Lock {
        component: Some(parse("old")),
        until: None,
        reason: parse("it leaves"),
    });
    for action in [lock, approve(2, &["old"])] {
        let after = |component: &str| {
            let history = vec![("alice", ran(component, 1, None))];
            Case::after(POLICY, "prod", history, "alice", action.clone())
        };
        after("old").passes(Rule::Content);
        after("other").fails(Rule::Content, "no component old");
    }
}

/// A command is run only in running components, at their commits.
#[test]
fn commanded() {
    after_one(start_api(DeploymentKind::Exec, 1, Some(1))).passes(Rule::Content);
    after_one(start_api(DeploymentKind::Exec, 1, Some(2)))
        .fails(Rule::Content, "must name the running commit and content");
    after_one(start_api(DeploymentKind::Exec, 2, Some(1)))
        .fails(Rule::Content, "must name the running commit and content");
    // Its own version would appear unchecked in notes and trailers.
    let mut named = start_api(DeploymentKind::Exec, 1, Some(1));
    if let Action::Start(start) = &mut named {
        start.deployment.components[0].target.version = Some(parse("9.9.9"));
    }
    after_one(named).fails(Rule::Content, "names neither a version");
}

/// A verification must name the commit that runs now, not the one that ran when the check began.
#[test]
fn verified() {
    let verification = |byte| {
        Action::Verification(Verification {
            components: vec![ComponentAtCommit {
                component: parse("api"),
                commit: commit(byte),
            }],
            verification: VerificationResult::Passed,
            comment: None,
            logs: Vec::new(),
        })
    };
    after_one(verification(1)).passes(Rule::Content);
    after_one(verification(2)).fails(
        Rule::Content,
        "020202020202 is not the running commit of api",
    );
}

/// The content in a baseline, an artifact and an unlock is compared with the code too.
#[test]
fn contents_in_other_actions() {
    let baseline = Action::Baseline(Baseline {
        components: vec![change("api", 1, None).target],
        comment: None,
    });
    let image = Image {
        name: parse("img"),
        digest: Digest::sha256(b"x"),
    };
    let artifact = Artifact {
        component: parse("api"),
        commit: commit(1),
        content: content(1),
        image,
        builder: None,
    };
    let yank = Yank {
        commit: Some(commit(1)),
        digest: None,
        contents: vec![YankedContent {
            component: parse("api"),
            content: content(1),
        }],
        reason: parse("bad"),
    };
    let unlock = Unlock {
        component: None,
        commit: Some(commit(1)),
        holds: vec![Hold {
            component: parse("api"),
            content: content(1),
        }],
        comment: None,
    };
    for (ledger, action) in [
        ("prod", baseline),
        ("evidence", Action::Artifact(artifact)),
        ("evidence", Action::Yank(yank)),
        ("prod", Action::Unlock(unlock)),
    ] {
        let mut case = Case::new(POLICY, ledger, "alice", action);
        case.facts
            .contents
            .insert((commit(1), parse("api")), Ok(Some(content(1))));
        case.facts
            .parent_contents
            .insert((commit(1), parse("api")), Ok(None));
        case.passes(Rule::Content);
        case.facts
            .contents
            .insert((commit(1), parse("api")), Ok(Some(content(2))));
        case.fails(Rule::Content, "the content of api");
        case.facts.contents.clear();
        case.unknown(Rule::Content, "not read");
    }
}

/// An approval or a lock that names an unknown component would never have an effect.
#[test]
fn components_are_known() {
    let lock = Action::Lock(Lock {
        component: Some(parse("nope")),
        until: None,
        reason: parse("x"),
    });
    let build = Build {
        component: parse("nope"),
        commit: commit(1),
        result: crate::domain::entry::BuildResult::Failed,
        log: None,
    };
    for (ledger, action) in [
        ("prod", approve(1, &["nope"])),
        ("prod", lock),
        ("evidence", Action::Build(build)),
    ] {
        Case::new(POLICY, ledger, "alice", action).fails(Rule::Content, "no component nope");
    }
    Case::new(POLICY, "prod", "alice", approve(1, &["rest"])).passes(Rule::Content);
}

/// A published policy must have the signed digest and key list, and this project's name.
#[test]
fn policies() {
    let text = policy_text(POLICY);
    let published = |text: &str| PublishedPolicy::new(text.as_bytes().into(), &[key("alice")]);
    let publish = |text: &str| {
        Action::Publish(Publish {
            digest: Digest::sha256(text.as_bytes()),
            keys: Digest::sha256(&published(text).keys),
            approved_by: Vec::new(),
            description: None,
            admits: Vec::new(),
            recovered: false,
        })
    };
    let mut case = Case::new(POLICY, "policy", "alice", publish(&text));
    case.unknown(Rule::Content, "not read");
    case.policy_text = Some(text.clone().into_bytes());
    case.passes(Rule::Content);
    case.policy_text = Some(format!("{text}\n").into_bytes());
    case.fails(Rule::Content, "digest");
    // The list of a project with other root keys, or of another policy.
    let other = text.replace("[people]", "[groups]\nall = [\"alice\"]\n[people]");
    let admin = text.replace("[people]", "[policy]\nadmins = \"bob\"\n[people]");
    for (text, keys, is_right) in [
        (&text, Digest::sha256(&published(&other).keys), true),
        (&text, Digest::sha256(&published(&admin).keys), false),
        (&admin, Digest::sha256(&published(&text).keys), false),
        (&text, Digest::sha256(b""), false),
    ] {
        let mut case = Case::new(POLICY, "policy", "alice", publish(text));
        case.policy_text = Some(text.clone().into_bytes());
        if let Action::Publish(publish) = &mut case.statement.action {
            publish.keys = keys;
        }
        if is_right {
            case.passes(Rule::Content);
        } else {
            case.fails(Rule::Content, "key list");
        }
    }
    let renamed = text.replace("\"catalogue\"", "\"shop\"");
    let mut case = Case::new(POLICY, "policy", "alice", publish(&renamed));
    case.policy_text = Some(renamed.into_bytes());
    case.fails(Rule::Content, "name is catalogue and cannot change to shop");
}

/// The yank of a commit covers only contents that the commit brought.
#[test]
fn contents_of_a_yank() {
    let yank = Action::Yank(Yank {
        commit: Some(commit(1)),
        digest: None,
        contents: vec![YankedContent {
            component: parse("api"),
            content: content(1),
        }],
        reason: parse("bad"),
    });
    let mut case = Case::new(POLICY, "evidence", "alice", yank);
    case.facts
        .contents
        .insert((commit(1), parse("api")), Ok(Some(content(1))));
    case.unknown(Rule::Content, "first parent was not read");
    let key = (commit(1), parse::<ComponentName>("api"));
    for (before, words) in [
        (Ok(Some(content(1))), "010101010101 does not change api"),
        (Err("no such commit".to_owned()), "no such commit"),
        (Ok(Some(content(2))), ""),
        (Ok(None), ""),
    ] {
        case.facts
            .parent_contents
            .insert(key.clone(), before.clone());
        match (before, words) {
            (_, "") => case.passes(Rule::Content),
            (Err(_), words) => drop(case.unknown(Rule::Content, words)),
            (Ok(_), words) => drop(case.fails(Rule::Content, words)),
        }
    }
}

/// A record of a component that git-deploy deploys or removes itself states that it is external.
#[test]
fn records_of_what_git_deploy_carries_out() {
    const COMMANDS: &str = "[environments.prod]\n[components]\n\
        api = { paths = \"api/**\", apply = \"true\", destroy = \"true\" }\nweb = { paths = \"web/**\" }\n";
    let removal = || {
        let mut change = change("api", 2, Some(1));
        change.target.content = None;
        change
    };
    let history = || vec![("alice", ran("api", 1, None))];
    for (changes, expected) in [
        (vec![change("web", 2, None)], None),
        (
            vec![change("api", 2, Some(1))],
            Some((
                "git-deploy deploys api itself (`apply` in deploy.toml): add --external if it was deployed by hand",
                "git deploy run prod 020202020202 --component api",
            )),
        ),
        (
            vec![change("api", 2, Some(1)), change("web", 2, None)],
            Some((
                "deploys api itself",
                "git deploy run prod 020202020202 --component api",
            )),
        ),
        (
            vec![removal()],
            Some((
                "removes api itself",
                "git deploy run prod 020202020202 --destroy --component api",
            )),
        ),
    ] {
        for external in [false, true] {
            let Action::Record(mut record) = ran("api", 2, Some(1)) else {
                panic!("not a record");
            };
            record.deployment = of(DeploymentKind::Deploy, changes.clone());
            record.deployment.external = external;
            let refusal = super::refuse_unmarked_record(
                &crate::domain::rules::testing::policy(COMMANDS),
                "prod",
                &record.deployment,
            );
            let expected = expected.filter(|_| !external);
            let case = Case::after(COMMANDS, "prod", history(), "alice", Action::Record(record));
            let checks = case.verdict().checks;
            assert_eq!(
                checks.iter().any(|it| Some(it) == refusal.as_ref()),
                expected.is_some()
            );
            let refusal = refusal.map(|it| (it.detail, it.remedy.unwrap()));
            let (detail, remedy) = expected.unwrap_or_default();
            let (actual_detail, actual_remedy) = refusal.unwrap_or_default();
            assert!(actual_detail.contains(detail), "{actual_detail}");
            assert_eq!(actual_remedy, remedy);
        }
    }
}
