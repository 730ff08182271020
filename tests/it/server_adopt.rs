//! `git-deploy server adopt`: ledgers that moved to another server, or never had one, are audited
//! there and protected from then on.

use insta::assert_snapshot;

use crate::harness::member::a_lock;
use crate::harness::{Project, Repo, World, with_random_keys};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Makes a copy of everything that the server has.
fn mirrored<'w>(project: &Project<'w>, name: &str) -> Repo<'w> {
    let copy = project.world.existing(name, "server");
    std::fs::create_dir(copy.path()).unwrap();
    copy.git(&["clone", "-q", "--mirror", &project.server.url(), "."])
        .ok();
    copy
}

/// Returns a project whose entries are hours old.
fn old(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    project
        .ci
        .deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    project.ci.deploy(&["record", "prod"]).ok();
    world.advance("5h");
    project
}

/// Returns the project's id, as a trusted clone has it.
fn root(repo: &Repo<'_>) -> String {
    repo.git(&["config", "deploy.root"]).ok().text()
}

/// Old entries cannot be pushed to a new server, because of its clock; a copy is adopted, and works
/// as the old server did.
#[test]
fn a_moved_server_is_adopted() {
    let world = World::new();
    let project = old(&world);
    let (alice, ci) = (&project.alice, &project.ci);
    let empty = world.bare_server("empty.git");
    empty
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    alice.deploy(&["sync"]).ok();
    let run = alice
        .repo
        .git(&["push", &empty.url(), "refs/deploy/policy"])
        .fails(1);
    assert!(
        run.err().contains("time") && run.err().contains("clock"),
        "{run}"
    );

    let copy = mirrored(&project, "new.git");
    let unnamed = copy.deploy(&["server", "adopt", "."]).fails(2);
    let adopted = copy
        .deploy(&["server", "adopt", ".", "--root", &root(&alice.repo)])
        .ok();
    let again = copy.deploy(&["server", "adopt", "."]).ok();
    let mut settings = with_random_keys();
    settings.add_filter(r" {2,}demo", " demo");
    settings.bind(|| {
        assert_snapshot!(
            [&unnamed, &adopted, &again]
                .map(ToString::to_string)
                .join("\n")
        );
    });
    copy.git(&["remote", "remove", "origin"]).ok();
    copy.deploy(&["server", "check"]).ok();

    for member in [alice, ci] {
        member
            .repo
            .git(&["remote", "set-url", "origin", &copy.url()])
            .ok();
    }
    ci.deploy(&["record", "prod", "--all", "--verification", "passed"])
        .ok();
    let forged = ci.build("prod", a_lock(), None, |it| {
        it.by = "alice".parse().unwrap();
    });
    ci.push(&[&format!("{forged}:refs/deploy/prod")]).fails(1);
    alice.deploy(&["sync"]).ok();
    alice.deploy(&["audit"]).ok();
    copy.git(&["fsck", "--strict", "--no-dangling"]).ok();
}

/// A copy with entries that no rule allowed, of another project, or without an object is not
/// adopted, and nothing is installed.
#[test]
fn faulty_copies_are_not_adopted() {
    let world = World::new();
    let project = old(&world);
    let (alice, ci) = (&project.alice, &project.ci);
    alice.deploy(&["sync"]).ok();
    let pin = root(&alice.repo);
    let bare = |copy: &Repo<'_>| {
        assert!(!copy.path().join("hooks/pre-receive").exists());
        copy.git(&["config", "deploy.admin"]).fails(1);
    };
    let forged = mirrored(&project, "forged.git");
    ci.deploy(&["sync"]).ok();
    let lie = ci.build("prod", a_lock(), None, |it| {
        it.by = "alice".parse().unwrap();
    });
    ci.repo
        .git(&[
            "push",
            "-q",
            &forged.url(),
            &format!("{lie}:refs/deploy/prod"),
        ])
        .ok();
    let run = forged
        .deploy(&["server", "adopt", ".", "--root", &pin])
        .fails(1);
    assert!(
        run.text().contains("authorization: the key belongs to ci")
            && run.err().contains("nothing was installed"),
        "{run}"
    );
    let found = forged
        .deploy(&["server", "adopt", ".", "--root", &pin, "--json"])
        .fails(1)
        .json();
    assert_eq!(
        (&found["guarded"], &found["steps"]),
        (&false.into(), &serde_json::json!([])),
        "{found:#}"
    );
    bare(&forged);

    let other = mirrored(&project, "other.git");
    let run = other
        .deploy(&[
            "server",
            "adopt",
            ".",
            "--root",
            &alice.repo.rev("refs/deploy/dev"),
        ])
        .fails(1);
    assert!(run.err().contains("another project"), "{run}");
    bare(&other);

    let lost = mirrored(&project, "lost.git");
    let blob = lost.rev("refs/deploy/policy:deploy.toml");
    lost.run("sh", &["-c", "mv objects/pack ../packs && mkdir objects/pack && for it in ../packs/*.pack; do git unpack-objects -q < $it; done"]).ok();
    std::fs::remove_file(
        lost.path()
            .join("objects")
            .join(&blob[..2])
            .join(&blob[2..]),
    )
    .unwrap();
    lost.deploy(&["server", "adopt", ".", "--root", &pin])
        .fails(3);
    bare(&lost);

    let empty = world.bare_server("empty.git");
    empty
        .deploy(&["server", "adopt", ".", "--root", &pin])
        .fails(2);
    bare(&empty);
}

/// Somebody began alone, with ledgers in their own repository, and moves them to a server later.
#[test]
fn local_ledgers_move_to_a_server() {
    let world = World::new();
    let alice = world.repo("alice");
    alice.commit("api/x", "one\n", "Begin");
    alice.deploy(&["init", "--yes", "--no-password"]).ok();
    alice.deploy(&["record", "dev"]).ok();
    world.advance("30d");
    let server = world.bare_server("server.git");
    alice.git(&["remote", "add", "origin", &server.url()]).ok();
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
        .ok();
    let join = || alice.deploy(&["init", "--remote", "origin", "--yes"]);
    let told = join().fails(1);

    // As it says: the owner takes a copy over, past the hooks if there are any, and adopts it.
    server
        .deploy(&[
            "server",
            "init",
            ".",
            "--admin",
            &alice.deploy(&["key", "show"]).ok().text(),
        ])
        .ok();
    server
        .git(&["fetch", "-q", &alice.url(), "refs/deploy/*:refs/deploy/*"])
        .ok();
    server
        .deploy(&["server", "adopt", ".", "--root", &root(&alice)])
        .ok();
    server.deploy(&["server", "check", "."]).ok();
    let joined = join().ok();
    with_random_keys().bind(|| assert_snapshot!(format!("{told}\n{joined}")));
    alice.deploy(&["record", "dev", "--all"]).ok();
    assert_eq!(server.rev("refs/deploy/dev"), alice.rev("refs/deploy/dev"));
    let bob = world.clone(&server, "bob");
    bob.deploy(&["sync"]).ok();
    bob.deploy(&["audit"]).ok();
}

/// A key or a program that was put into the configuration of a copy is not adopted with it, unless
/// the command line names it.
#[test]
fn keys_and_programs_of_a_copy_are_refused() {
    let world = World::new();
    let project = old(&world);
    let pin = root(&project.alice.repo);
    let key = project.bob.key().to_string();
    for (setting, option, value) in [
        ("deploy.admin", "--admin", &*key),
        ("deploy.recovery", "--recover", &*key),
        ("deploy.handoff", "--handoff", "/usr/bin/true"),
    ] {
        let copy = mirrored(&project, &setting.replace('.', "-"));
        copy.git(&["config", setting, value]).ok();
        let adopt = ["server", "adopt", ".", "--root", &pin];
        let run = copy.deploy(&adopt).fails(1);
        assert!(
            run.words_of_err().contains(&format!("{setting} = {value}")),
            "{run}"
        );
        assert!(!copy.path().join("hooks/pre-receive").exists());
        copy.deploy(&[&adopt[..], &[option, value]].concat()).ok();
        copy.git(&["config", "--unset-all", setting]).ok();
        copy.deploy(&adopt).ok();
    }
}
