//! gitolite: an existing server, whose own hooks and rules stay in force beside ours.

use std::path::Path;

use super::{alone, day, not_let_in, project};
use crate::harness::project::said;
use crate::harness::sshd::{SSHD, Sshd};
use crate::harness::{Repo, Run, World, has_tool};

/// Who may do what: bob writes, but not the ledger of prod; carol reads; nobody changes what is below `secret`.
const RULES: &str = "\
repo gitolite-admin
    RW+ = alice

repo project
    -   refs/deploy/prod = bob
    -   VREF/NAME/secret/ = @all
    RW  = alice bob ci
    R   = carol
";
/// An existing hook, which gitolite links into every repository.
const HOUSE: &str = "#!/bin/sh\nwhile read -r old new ref; do\n    test \"$ref\" != refs/heads/closed || { echo \"closed for $GL_USER\"; exit 1; }\ndone\n";

/// Runs `gitolite` as the user of the server does.
fn gitolite<'w>(world: &'w World, home: &Path, arguments: &[&str]) -> Run<'w> {
    let mut command = world.command("gitolite", "git");
    command
        .args(arguments)
        .env("HOME", home)
        .env_remove("GIT_CONFIG_GLOBAL")
        .current_dir(home);
    Run::of(world, &mut command)
}

/// Sets up gitolite with a repository `project`, as its administrator does: by a push to
/// `gitolite-admin`.
fn served<'w>(world: &'w World, sshd: &Sshd<'_>) -> Repo<'w> {
    let keys = ["alice", "bob", "carol", "ci"].map(|person| (person, sshd.key(person)));
    gitolite(
        world,
        &sshd.home,
        &["setup", "-pk", &keys[0].1.to_string_lossy()],
    )
    .ok();
    // Not before: the branch of gitolite-admin that counts is master.
    std::fs::write(
        sshd.home.join(".gitconfig"),
        "[init]\n\tdefaultBranch = main\n",
    )
    .unwrap();
    let home = world.existing(".", "git");
    home.write("git/.gitolite/hooks/common/pre-receive", HOUSE);
    home.run("chmod", &["+x", "git/.gitolite/hooks/common/pre-receive"])
        .ok();
    let command = format!("core.sshCommand={}", sshd.command("alice"));
    let admin = world.clone_from(&sshd.url("gitolite-admin"), "admin", &[&command]);
    for (person, key) in &keys {
        admin.write(
            &format!("keydir/{person}.pub"),
            &std::fs::read_to_string(key).unwrap(),
        );
    }
    admin.git(&["add", "keydir"]).ok();
    admin.commit("conf/gitolite.conf", RULES, "Add project");
    admin.git(&["push", "-q", "origin", "HEAD"]).ok();
    world.existing("git/repositories/project.git", "server")
}

/// A day on a repository of gitolite: its rules still apply, to ledgers too, its words and ours
/// reach the user, readers cannot write, and after gitolite has restored its hooks, ours come back.
#[test]
fn over_gitolite() {
    if !SSHD.iter().chain(&["gitolite"]).all(|tool| has_tool(tool)) {
        return;
    }
    let world = World::new();
    let sshd = Sshd::start(&world);
    let server = served(&world, &sshd);
    let hook = |name: &str| server.path().join("hooks").join(name);
    let (house, update) = (
        std::fs::read_link(hook("pre-receive")).unwrap(),
        std::fs::read_link(hook("update")).unwrap(),
    );
    // gitolite would put its own update back over ours, sooner or later.
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let taken = server
        .deploy(&["server", "init", ".", "--no-proc-receive", "--admin", key])
        .fails(2);
    assert!(
        taken.words_of_err().contains(
            "hint: without --no-proc-receive, which gitolite does not need: git-deploy server init ."
        ),
        "{taken}"
    );
    server.git(&["config", "deploy.admin"]).fails(1);
    let project = project(&world, world.existing(server.path(), "server"), |person| {
        let command = format!("core.sshCommand={}", sshd.command(person));
        world.clone_from(&sshd.url("project"), person, &[&command])
    });
    assert_eq!(
        std::fs::read_link(hook("pre-receive.local")).unwrap(),
        house
    );
    assert_eq!(std::fs::read_link(hook("update")).unwrap(), update);
    let first = project.ci.repo.rev("HEAD");
    day(&project);

    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let refs = project.refs();
    let closed = bob.push(&["HEAD:refs/heads/closed"]).fails(1);
    assert!(said(&closed).starts_with("closed for bob\n"), "{closed}");
    bob.repo.commit("secret/x", "x\n", "Change what nobody may");
    let secret = bob.push(&["HEAD:refs/heads/topic"]).fails(1);
    assert!(
        secret
            .err()
            .contains("VREF/NAME/secret/x project bob DENIED by VREF/NAME/secret/"),
        "{secret}"
    );
    let reader = alone(&carol.repo, &["lock", "prod", "-m", "stop"]).fails(3);
    assert!(
        reader
            .err()
            .starts_with("error: git cannot push to the remote: nothing was written"),
        "{reader}"
    );
    assert!(
        reader
            .err()
            .contains("W any project carol DENIED by fallthru"),
        "{reader}"
    );
    assert_eq!(project.refs(), refs);

    // Our rules have nothing against it, and gitolite has.
    bob.deploy(&["unlock", "dev"]).ok();
    let refs = project.refs();
    let denied = bob.deploy(&["record", "prod", &first]).fails(1);
    assert!(
        denied
            .err()
            .contains("W refs/deploy/prod project bob DENIED by refs/deploy/prod"),
        "{denied}"
    );
    assert!(
        denied
            .err()
            .contains("the remote refused the entry: nothing was written"),
        "{denied}"
    );
    assert_eq!(project.refs(), refs);
    ci.deploy(&["record", "prod", &first]).ok();

    gitolite(&world, &sshd.home, &["setup"]).ok();
    assert_eq!(std::fs::read_link(hook("pre-receive")).unwrap(), house);
    server.deploy(&["server", "init", "."]).ok();
    assert_eq!(
        std::fs::read_link(hook("pre-receive.local")).unwrap(),
        house
    );
    bob.push(&["HEAD:refs/heads/closed"]).fails(1);
    project.refused(&["chain"], || ci.push(&["HEAD:refs/deploy-incoming/dev"]));
    project.audited();

    sshd.key("mallory");
    bob.repo
        .git(&["config", "core.sshCommand", &sshd.command("mallory")])
        .ok();
    not_let_in(&bob.repo, "Permission denied");
}
