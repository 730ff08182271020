//! Entries that git itself brings below `refs/deploy/`: whatever the way, commands show and decide
//! on verified tips only, say which ledger they leave out, and print what restores it.

mod bare_repositories;
mod copied_folders;
mod expired_environments;
mod new_clones;
mod other_ledgers;
mod replaced_projects;

use std::path::PathBuf;

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// A project whose `dev` ran two commits, and a forged entry of `dev` about a third one.
struct Scene<'w> {
    project: Project<'w>,
    /// The tips of `dev` after the first and after the second deployment.
    older: String,
    honest: String,
    /// An entry that carol signed in the name of `ci`.
    forged: String,
    /// The same entry without a signature.
    unsigned: String,
    /// The same entry with the signature of the entry before it.
    missigned: String,
    /// The commit that it is about.
    evil: String,
}

impl<'w> Scene<'w> {
    fn new(world: &'w World) -> Self {
        let project = Project::new(world, POLICY);
        project.ci.deploy(&["record", "dev", "--all"]).ok();
        let tip = || project.server.rev("refs/deploy/dev");
        let older = tip();
        let second = project.push("api/x", "two\n");
        project.ci.deploy(&["record", "dev", "--all"]).ok();
        let honest = tip();
        let evil = project.commit("api/x", "evil\n");
        project.alice.push(&["HEAD:refs/heads/evil"]).ok();
        let carol = &project.carol;
        carol.repo.git(&["fetch", "-q", "origin"]).ok();
        carol.deploy(&["sync"]).ok();
        let record = carol.a_record(&evil, Some(&second));
        let forged = carol.build("dev", record, None, |statement| {
            statement.by = "ci".parse().unwrap();
        });
        let forged = forged.to_string();
        let signature = carol.bytes("blob", &format!("{honest}:entry.json.minisig"));
        let missigned = carol.refile(&forged, &[("entry.json.minisig", &signature)]);
        let unsigned = carol.retree(&forged, &[&["--force-remove", "entry.json.minisig"]]);
        let url = carol.repo.url();
        for tip in [&forged, &unsigned, &missigned] {
            project.server.git(&["fetch", "-q", &url, tip]).ok();
        }
        Self {
            project,
            older,
            honest,
            forged,
            unsigned,
            missigned,
            evil,
        }
    }

    /// Moves `dev` on the server past its hooks.
    fn set_server(&self, tip: &str) {
        let server = &self.project.server;
        server.git(&["update-ref", "refs/deploy/dev", tip]).ok();
    }

    fn clone(&self, folder: &str, options: &[&str]) -> Repo<'w> {
        let world = self.project.world;
        let repo = world.existing(folder, "ci");
        std::fs::create_dir(repo.path()).unwrap();
        let url = self.project.server.url();
        repo.git(&[&["clone", "-q"], options, &[&*url, "."]].concat())
            .ok();
        let key = world.path().join("home/ci.key");
        repo.git(&["config", "deploy.key", key.to_str().unwrap()])
            .ok();
        // Git refuses to push single refs to a mirror.
        let _ = repo.git(&["config", "--unset", "remote.origin.mirror"]);
        repo
    }
}

/// Whose doing the wrong tip is.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// The remote has it, and git fetches it.
    Remote,
    /// Only this repository has it.
    Local,
}

/// How git brings a tip to `refs/deploy/dev`.
struct Way {
    name: &'static str,
    source: Source,
    clone_options: &'static [&'static str],
    /// Moves the ref.
    bring: fn(&Repo<'_>, &str),
}

const REFSPEC: &str = "remote.origin.fetch=+refs/deploy/*:refs/deploy/*";
const WAYS: [Way; 6] = [
    Way {
        name: "mirror",
        source: Source::Remote,
        clone_options: &["--mirror"],
        bring: |repo, _| drop(repo.git(&["fetch", "-q", "origin", "+refs/*:refs/*"]).ok()),
    },
    Way {
        name: "refspec",
        source: Source::Remote,
        clone_options: &["-c", REFSPEC],
        bring: |repo, _| drop(repo.git(&["fetch", "-q"]).ok()),
    },
    Way {
        name: "manual",
        source: Source::Remote,
        clone_options: &[],
        bring: |repo, _| {
            let refspec = "+refs/deploy/*:refs/deploy/*";
            repo.git(&["fetch", "-q", "origin", refspec]).ok();
        },
    },
    Way {
        name: "update-ref",
        source: Source::Local,
        clone_options: &[],
        bring: |repo, tip| drop(repo.git(&["update-ref", "refs/deploy/dev", tip]).ok()),
    },
    Way {
        name: "packed",
        source: Source::Local,
        clone_options: &[],
        bring: |repo, tip| {
            repo.git(&["pack-refs", "--all"]).ok();
            let file = git_folder(repo).join("packed-refs");
            let text = std::fs::read_to_string(&file).unwrap();
            let present = repo.rev("refs/deploy/dev");
            let line = |tip: &str| format!("{tip} refs/deploy/dev\n");
            std::fs::write(&file, text.replace(&line(&present), &line(tip))).unwrap();
        },
    },
    Way {
        name: "backup",
        source: Source::Local,
        clone_options: &[],
        bring: |repo, tip| {
            let file = git_folder(repo).join("refs/deploy/dev");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{tip}\n")).unwrap();
        },
    },
];

fn git_folder(repo: &Repo<'_>) -> PathBuf {
    repo.git(&["rev-parse", "--absolute-git-dir"])
        .ok()
        .text()
        .into()
}

/// Fetches a forged entry's objects, and nothing else, from the server.
fn fetch_objects(repo: &Repo<'_>, tip: &str) {
    repo.git(&["fetch", "-q", "origin", tip]).ok();
}

/// Commands that need `dev` for their answer, and sync first.
const WRITING: [&[&str]; 8] = [
    &["record", "dev", "--all"],
    &["record", "prod", "--all"],
    &["run", "dev", "HEAD", "--yes"],
    &["run", "prod", "HEAD", "--yes"],
    &["promote", "prod", "--yes"],
    &["rollback", "dev", "--yes"],
    &["exec", "dev", "--yes", "--", "true"],
    &["lock", "dev", "-m", "incident"],
];

/// Checks that none of the commands that write does so, or runs anything: none can tell its answer.
#[track_caller]
fn nothing_is_decided(repo: &Repo<'_>, context: &str) {
    for arguments in WRITING {
        let run = repo.deploy(arguments).fails(3);
        let words = run.words_of_err();
        assert!(words.contains("dev"), "{context}: {run}");
    }
}

/// Checks what each command does in a repository whose `dev` is not verified.
#[track_caller]
fn is_left_out(scene: &Scene<'_>, repo: &Repo<'_>, context: &str) {
    let says = |run: &Run<'_>| {
        let words = run.words_of_err();
        assert!(
            words.contains("the ledger dev here is not used"),
            "{context}: {run}"
        );
    };
    let status = repo.deploy(&["status"]).ok();
    says(&status);
    let shows_dev = status.text().lines().any(|line| line.starts_with("dev "));
    assert!(!shows_dev, "{context}: {status}");
    assert!(
        repo.deploy(&["status", "--json"]).ok().json()["problems"]
            .to_string()
            .contains("the ledger dev here is not used"),
        "{context}"
    );
    for arguments in [
        &["status", "dev"][..],
        &["status", "dev", "--exit-code"],
        &["log", "dev"],
        &["check", "prod", &scene.evil],
        &["check", "dev", &scene.evil],
        &["plan", "dev", &scene.evil],
        &["notes", "rebuild"],
    ] {
        says(&repo.deploy(arguments).fails(3));
    }
    let show = repo.deploy(&["show", &scene.evil]).ok();
    says(&show);
    assert!(!show.text().contains("live"), "{context}: {show}");
    repo.deploy(&["audit"]).fails(1);
}

/// Checks that each command works in a repository with the honest tip.
#[track_caller]
fn is_used(scene: &Scene<'_>, repo: &Repo<'_>, context: &str) {
    let status = repo.deploy(&["status"]).ok();
    assert!(
        status.text().contains("dev ") && !status.err().contains("warning"),
        "{context}: {status}"
    );
    repo.deploy(&["log", "dev"]).ok();
    repo.deploy(&["check", "prod", "HEAD"]).ok();
    repo.deploy(&["check", "prod", &scene.evil]).fails(1);
    repo.deploy(&["show", "HEAD"]).ok();
    repo.deploy(&["audit"]).ok();
}

/// Honest entries are verified and used, whatever way they came.
#[test]
fn honest_entries_are_used() {
    let world = World::new();
    let scene = Scene::new(&world);
    for way in WAYS {
        let repo = scene.clone(way.name, way.clone_options);
        if way.source == Source::Local {
            repo.deploy(&["sync"]).ok();
        }
        (way.bring)(&repo, &scene.honest);
        is_used(&scene, &repo, way.name);
        // The remote has no news, and knows all of it.
        repo.deploy(&["sync"]).ok();
        is_used(&scene, &repo, way.name);
    }
    // One of them writes an entry as well, and the others follow by plain git.
    let writer = world.existing("mirror", "ci");
    world.advance("1m");
    writer.deploy(&["record", "dev", "--all"]).ok();
    for way in WAYS.iter().filter(|way| way.source == Source::Remote) {
        let repo = world.existing(way.name, "ci");
        (way.bring)(&repo, "");
        is_used(&scene, &repo, way.name);
    }
    // What the forged entries of the other tests say, said by one who may.
    writer.deploy(&["record", "dev", &scene.evil, "--all"]).ok();
    for way in WAYS.iter().filter(|way| way.source == Source::Remote) {
        let repo = world.existing(way.name, "ci");
        (way.bring)(&repo, "");
        repo.deploy(&["check", "prod", &scene.evil]).ok();
    }
}

/// A forged or rewound tip is neither shown nor decided on: in a clone that had verified the ledger
/// before, and in one that never saw it. Once the remote is honest, `sync` restores it.
#[test]
fn wrong_tips_are_left_out() {
    let world = World::new();
    let scene = Scene::new(&world);
    for way in WAYS {
        for (kind, tip) in [
            ("forged", &scene.forged),
            ("unsigned", &scene.unsigned),
            ("missigned", &scene.missigned),
            ("rewound", &scene.older),
        ] {
            let context = format!("{} {kind}", way.name);
            scene.set_server(&scene.honest);
            let repo = scene.clone(&context.replace(' ', "-"), way.clone_options);
            fetch_objects(&repo, tip);
            if way.source == Source::Remote {
                (way.bring)(&repo, &scene.honest);
            }
            repo.deploy(&["sync"]).ok();
            is_used(&scene, &repo, &context);
            if way.source == Source::Remote {
                scene.set_server(tip);
            }
            (way.bring)(&repo, tip);
            assert_eq!(repo.rev("refs/deploy/dev"), **tip, "{context}");
            is_left_out(&scene, &repo, &context);
            if way.source == Source::Remote {
                repo.deploy(&["sync"]).fails(1);
                nothing_is_decided(&repo, &context);
                scene.set_server(&scene.honest);
            }
            // The printed remedy.
            repo.deploy(&["sync"]).ok();
            assert_eq!(repo.rev("refs/deploy/dev"), scene.honest, "{context}");
            is_used(&scene, &repo, &context);
        }
    }
}

/// Without a remote, the printed command restores the last verified tip. A deleted ledger counts as
/// rewound.
#[test]
fn ledgers_without_a_remote_are_restored_by_hand() {
    let world = World::new();
    let scene = Scene::new(&world);
    let repo = scene.clone("alone", &[]);
    fetch_objects(&repo, &scene.forged);
    repo.deploy(&["sync"]).ok();
    repo.git(&["config", "deploy.remote", ""]).ok();
    is_used(&scene, &repo, "alone");
    for tip in [&scene.forged, &scene.older, ""] {
        match tip {
            "" => repo.git(&["update-ref", "-d", "refs/deploy/dev"]).ok(),
            tip => repo.git(&["update-ref", "refs/deploy/dev", tip]).ok(),
        };
        is_left_out(&scene, &repo, tip);
        repo.deploy(&["sync"]).fails(1);
        nothing_is_decided(&repo, tip);
        let restore = format!("git update-ref refs/deploy/dev {}", scene.honest);
        let warning = repo.deploy(&["status"]).err();
        assert!(warning.contains(&restore), "{warning}");
        repo.run("sh", &["-c", &restore]).ok();
        is_used(&scene, &repo, tip);
    }
}

/// A server whose owner moved a ledger past the hooks accepts nothing that needs that ledger, until
/// the ledger is restored. Other ledgers go on.
#[test]
fn servers_decide_on_verified_tips() {
    let world = World::new();
    let scene = Scene::new(&world);
    let (project, server) = (&scene.project, &scene.project.server);
    let alice = &project.alice;
    alice.deploy(&["sync"]).ok();
    scene.set_server(&scene.forged);
    let refused = |words: &str, entry: &[&str]| {
        let before = project.refs();
        let run = alice.push(entry);
        assert!(
            !run.succeeded() && run.words_of_err().contains(words),
            "{words}: {run}"
        );
        assert_eq!(project.refs(), before);
    };
    let evil = &scene.evil;
    let prod = alice.build("prod", alice.a_record(evil, None), None, |_| ());
    refused("dev", &[&format!("{prod}:refs/deploy/prod")]);
    let dev = alice.build("dev", crate::harness::member::a_lock(), None, |_| ());
    refused("not verified", &[&format!("+{dev}:refs/deploy/dev")]);
    let check = server.deploy(&["server", "check", "."]);
    assert!(
        check.to_string().contains("refs/deploy/dev was not moved"),
        "{check}"
    );
    let lock = alice.build("prod", crate::harness::member::a_lock(), None, |_| ());
    alice.push(&[&format!("{lock}:refs/deploy/prod")]).ok();
    scene.set_server(&scene.honest);
    alice.push(&[&format!("{dev}:refs/deploy/dev")]).ok();
    project.audited();
}
