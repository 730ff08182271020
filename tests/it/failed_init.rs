//! An `init` that fails before the policy is in force leaves nothing behind.

use std::collections::BTreeMap;

use crate::harness::{Repo, World};

/// Returns all files of the clone and of the home, except objects, which nothing names, and what
/// git-deploy keeps about the last sync.
fn list_files(world: &World, repo: &Repo<'_>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for root in [repo.path().to_owned(), world.path().join("home")] {
        for file in walkdir::WalkDir::new(root)
            .into_iter()
            .filter_map(Result::ok)
        {
            let path = file.path().to_string_lossy().into_owned();
            let is_ignored = path.contains("/objects") || path.contains("/.git/git-deploy/");
            if file.file_type().is_file() && !is_ignored {
                files.insert(path, std::fs::read(file.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn each_failure_leaves_the_clone_as_it_was() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let repo = world.clone(&server, "alice");
    repo.commit("api/x", "one\n", "Begin");
    let base = ["init", "--yes", "--no-password", "--pre-push"];
    let before = list_files(&world, &repo);
    let fails = |what: &str, code: i32, more: &[&str]| {
        let run = repo.deploy(&[&base[..], more].concat()).fails(code);
        let after = list_files(&world, &repo);
        let changed: Vec<&String> = after
            .keys()
            .chain(before.keys())
            .filter(|path| after.get(*path) != before.get(*path))
            .collect();
        assert!(changed.is_empty(), "{what}: {changed:?}\n{run}");
        assert!(run.err().contains("was removed again"), "{what}: {run}");
    };
    fails(
        "an environment that is named twice",
        1,
        &["--env", "dev,dev"],
    );
    fails("an unknown commit", 2, &["--running", "prod=v9"]);
    fails("an unknown environment", 2, &["--running", "prd=HEAD"]);
    fails("an unknown component", 2, &["--running", "prod:web=HEAD"]);
    repo.git(&["remote", "set-url", "origin", "/nowhere"]).ok();
    let config = std::fs::read(repo.path().join(".git/config")).unwrap();
    let run = repo.deploy(&base).fails(3);
    assert_eq!(
        std::fs::read(repo.path().join(".git/config")).unwrap(),
        config,
        "{run}"
    );
    assert!(run.err().contains("was removed again"), "{run}");
    repo.git(&["remote", "set-url", "origin", &server.url()])
        .ok();
    // The server refuses: the key stays, because the server is to be told about it.
    server.hook("pre-receive", "#!/bin/sh\nexit 1\n");
    let config = std::fs::read(repo.path().join(".git/config")).unwrap();
    let run = repo.deploy(&base).fails(1);
    assert_eq!(
        std::fs::read(repo.path().join(".git/config")).unwrap(),
        config,
        "{run}"
    );
    assert!(run.err().contains("--admin RW"), "{run}");
    assert!(!repo.path().join("deploy.toml").exists());
    assert!(!repo.path().join(".git/hooks/pre-push").exists());
    let key = repo.deploy(&["key", "show"]).ok().text();
    assert!(
        run.err().contains(
            key.lines()
                .next()
                .unwrap()
                .split_whitespace()
                .find(|it| it.starts_with("RW"))
                .unwrap()
        ),
        "{run}"
    );
    std::fs::remove_file(server.path().join("hooks/pre-receive")).unwrap();
    repo.deploy(&base).ok();
    // A clone that joins fails without a change, too.
    let bob = world.clone(&server, "bob");
    let read_config = |key: &str| bob.git(&["config", "--get-all", key]).text();
    let refspecs = read_config("remote.origin.fetch");
    bob.deploy(&["init", "--yes", "--env", "qa"]).fails(2);
    bob.deploy(&["init", "--yes", "--name", "other"]).fails(2);
    assert_eq!(read_config("remote.origin.fetch"), refspecs);
    assert_eq!(read_config("deploy.remote"), "");
}
