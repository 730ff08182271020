//! With `isolation = "files"`, a command can change its own files and no others.

use super::{Site, User};
use crate::harness::World;

/// Tries to change things. Each line of `~/loot/ENV` is the name of one and whether it was changed.
const ATTEMPTS: &str = r##"
attempt() {
    name=$1; shift
    if ("$@") > /dev/null 2>&1; then echo "$name changed"; else echo "$name unchanged"; fi >> $HOME/loot/$DEPLOY_ENV
}
append() { echo "# x" >> $1; }
replace() { cp $1 $TMPDIR/copy && mv -f $TMPDIR/copy $1; }
emptied() { truncate -s 0 $1 && test ! -s $1; }
repo=REPO/.git
attempt config append $repo/config
attempt config-replaced replace $repo/config
attempt description-emptied emptied $repo/description
attempt config-lock touch $repo/config.lock
rm -f $repo/config.lock
attempt hook sh -c "echo '#!/bin/sh' > $repo/hooks/post-index-change"
attempt hook-link ln -s /bin/true $repo/hooks/post-commit
attempt object mkdir $repo/objects/xy
attempt description-removed rm $repo/description
attempt user-config append $HOME/.gitconfig
attempt key append $HOME/bob.key
attempt key-linked ln $HOME/bob.key $TMPDIR/bob.key
attempt program append REPO/../program
attempt work-tree touch REPO/file
attempt home touch $HOME/file
attempt other-checkout sh -c "chmod -R u+w $(dirname $PWD)/../web && echo x > $(dirname $PWD)/../web/web/x"
attempt checkouts touch $(dirname $PWD)/../file
attempt through-link sh -c "ln -s $repo $TMPDIR/link && echo '# x' >> $TMPDIR/link/config"
attempt not-its-own append $HOME/loot-of-web/file
attempt device mknod $TMPDIR/device b 8 0
attempt tmp sh -c 'f=$(mktemp /tmp/git-deploy-test-XXXXXX) && echo x > $f && rm $f'
attempt scratch sh -c 'mkdir $TMPDIR/a && echo x > $TMPDIR/a/b && mv $TMPDIR/a/b $TMPDIR/c'
attempt checkout sh -c 'chmod u+w . && echo x > new'
attempt writable sh -c 'mkdir -p $HOME/loot/a && echo x > $HOME/loot/a/b && mv $HOME/loot/a/b $HOME/loot/c && ln -sf c $HOME/loot/d'
attempt writable-file append $HOME/one-file
attempt null append /dev/null
attempt stdout append /dev/stdout
attempt stderr append /dev/stderr
true
"##;

/// What "files" denies, and every other mode allows to the owner of the files.
const DENIED: [&str; 18] = [
    "config",
    "config-replaced",
    "description-emptied",
    "config-lock",
    "hook",
    "hook-link",
    "object",
    "description-removed",
    "user-config",
    "key",
    "key-linked",
    "program",
    "work-tree",
    "home",
    "other-checkout",
    "checkouts",
    "through-link",
    "not-its-own",
];
/// What every mode allows.
const ALLOWED: [&str; 8] = [
    "tmp",
    "scratch",
    "checkout",
    "writable",
    "writable-file",
    "null",
    "stdout",
    "stderr",
];

fn policy(attempts: &str) -> String {
    format!(
        "[environments]\nprocesses = {{}}\nfiles = {{ isolation = \"files\" }}\n\
         [components.api]\npaths = [\"api/**\"]\ndepends_on = \"web\"\n\
         writable = [\"~/loot\", \"~/one-file\"]\napply = '''{attempts}'''\n\
         [components.web]\npaths = [\"web/**\"]\nwritable = \"~/loot-of-web\"\napply = 'true'\n"
    )
}

#[test]
fn a_command_changes_only_its_own_files() {
    for user in User::list() {
        let world = World::outside_of_tmp();
        let repo = world.path().join("ci");
        let attempts = ATTEMPTS.replace("REPO", &repo.to_string_lossy());
        let site = Site::new(&world, user, &policy(&attempts), &[("web/x", "one\n")]);
        std::fs::write(site.home("one-file"), "").unwrap();
        std::fs::write(world.path().join("program"), "").unwrap();
        std::fs::create_dir(site.home("loot-of-web")).unwrap();
        std::fs::create_dir_all(repo.join(".git/hooks")).unwrap();
        std::fs::write(repo.join(".git/description"), "text\n").unwrap();
        site.give();
        let config = || std::fs::read_to_string(repo.join(".git/config")).unwrap();
        let before = config();
        site.run("git-deploy run files --yes").ok();
        assert_eq!(config(), before, "{user:?}");
        let loot = site.loot("files");
        for name in DENIED.into_iter().chain(["device"]) {
            let is_denied = loot.contains(&format!("{name} unchanged\n"));
            assert!(is_denied, "{user:?} {name}: {loot}");
        }
        // Isolation gives no access that the machine denies to the user.
        let can_use_tmp = site.shell("test -w /tmp").status().unwrap().success();
        for name in ALLOWED {
            let is_allowed = loot.contains(&format!("{name} changed\n"));
            let is_expected = name != "tmp" || can_use_tmp;
            assert_eq!(is_allowed, is_expected, "{user:?} {name}: {loot}");
        }
        // The control.
        site.shell("git-deploy run processes --yes")
            .output()
            .unwrap();
        let loot = site.loot("processes");
        for name in DENIED.into_iter().chain(ALLOWED) {
            let is_allowed = loot.contains(&format!("{name} changed\n"));
            // Hard links do not cross file systems.
            let may_fail = name == "key-linked" || (name == "tmp" && !can_use_tmp);
            assert!(is_allowed || may_fail, "{user:?} {name}: {loot}");
        }
    }
}

/// A rule can only allow, so a writable folder around something protected is refused.
#[test]
fn a_writable_path_around_something_protected_is_refused() {
    let world = World::outside_of_tmp();
    let site = Site::new(&world, User::Current, "[environments]\ndev = {}\n", &[]);
    let root = world.path().display().to_string();
    std::os::unix::fs::symlink(site.home(""), world.path().join("link")).unwrap();
    for (writable, code, words) in [
        (root.clone(), 1, "must not be"),
        ("/var".to_owned(), 1, "must not be"),
        (format!("{root}/ci"), 1, "must not be"),
        (format!("{root}/ci/.git/hooks"), 1, "must not be"),
        (format!("{root}/caches/ci/git-deploy"), 1, "must not be"),
        (format!("{root}/link"), 1, "must not be"),
        ("~/ci.key".to_owned(), 1, "must not be"),
        ("~/.gitconfig".to_owned(), 1, "must not be"),
        ("~/missing".to_owned(), 3, "No such file"),
        ("~/loot".to_owned(), 0, ""),
    ] {
        std::fs::create_dir_all(world.path().join("caches/ci/git-deploy")).unwrap();
        std::fs::create_dir_all(world.path().join("ci/.git/hooks")).unwrap();
        site.project.publish(&format!(
            "[environments]\ndev = {{ isolation = \"files\" }}\n[components.api]\n\
             paths = [\"api/**\"]\nwritable = [\"{writable}\"]\napply = 'echo x > $HOME/loot/ran'\n"
        ));
        let run = site.run("git-deploy run dev --yes").fails(code);
        let said = run.words_of_err();
        assert!(said.contains(words), "{writable}: {run}");
        assert_eq!(said.contains("hint: mkdir -p /"), code == 3, "{run}");
        let has_run = site.home("loot/ran").exists();
        assert_eq!(has_run, code == 0, "{writable}: {run}");
    }
}

/// Nor may a command write to a file or a folder that git's configuration names, wherever that is:
/// git would run what the command put there.
#[test]
fn files_that_git_reads_are_not_writable() {
    let world = World::outside_of_tmp();
    let policy = "[environments]\ndev = { isolation = \"files\" }\n\
                  [components.api]\npaths = [\"api/**\"]\nwritable = [\"~/loot\"]\n\
                  apply = 'echo x > $HOME/loot/ran'\n";
    let site = Site::new(&world, User::Current, policy, &[]);
    let home = site.home("").display().to_string();
    let home = home.trim_end_matches('/');
    std::fs::create_dir_all(site.home("other/hooks")).unwrap();
    std::fs::write(site.home("loot/present"), "[user]\n\tname = x\n").unwrap();
    let nested = "[include]\n\tpath = ../loot/nested\n";
    std::fs::write(site.home("other/nested"), nested).unwrap();
    std::fs::write(site.home("other/harmless"), "[user]\n\tname = x\n").unwrap();
    std::os::unix::fs::symlink(site.home("loot"), site.home("other/link")).unwrap();
    for (key, value, code) in [
        ("include.path", "HOME/loot/present", 1),
        ("include.path", "~/loot/missing", 1),
        ("include.path", "HOME/other/link/file", 1),
        ("include.path", "../../home/loot/relative", 1),
        ("include.path", "HOME/other/nested", 1),
        ("includeIf.gitdir:/nowhere/.path", "~/loot/conditional", 1),
        ("includeIf.onbranch:x.path", "~/loot/conditional", 1),
        ("core.hooksPath", "~/loot", 1),
        ("core.hooksPath", "HOME/loot/hooks", 1),
        ("core.hooksPath", "../home/loot/hooks", 1),
        ("include.path", "HOME/other/harmless", 0),
        ("core.hooksPath", "HOME/other/hooks", 0),
    ] {
        let repo = &site.project.ci.repo;
        let value = value.replace("HOME", home);
        repo.git(&["config", key, &value]).ok();
        let run = site.run("git-deploy run dev --all --yes").fails(code);
        let is_refused = run.words_of_err().contains("must not be");
        assert_eq!(is_refused, code == 1, "{key} {value}: {run}");
        let has_run = std::fs::remove_file(site.home("loot/ran")).is_ok();
        assert_eq!(has_run, code == 0, "{key} {value}: {run}");
        repo.git(&["config", "--unset", key]).ok();
    }
}

/// Every command may write to `/tmp`, so a repository there cannot be protected.
#[test]
fn a_repository_below_tmp_is_refused() {
    let world = World::within_tmp();
    let policy = "[environments]\ndev = { isolation = \"files\" }\n\
                  [components.api]\npaths = [\"api/**\"]\napply = 'touch $HOME/ran'\n";
    let site = Site::new(&world, User::Current, policy, &[]);
    let run = site.run("git-deploy run dev --yes").fails(1);
    let said = run.words_of_err();
    assert!(
        said.contains("may write to /tmp, which must not be"),
        "{run}"
    );
    assert!(!site.home("ran").exists(), "{run}");
}

/// A command that replaces a writable folder by a link does not make what it leads to writable.
#[test]
fn a_writable_folder_that_became_a_link_is_not_followed() {
    let policy = "[environments]\ndev = { isolation = \"files\" }\n\
                  [components.api]\npaths = [\"api/**\"]\nwritable = [\"~/loot\", \"~/loot/inner\"]\n\
                  apply = 'rmdir $HOME/loot/inner && ln -s $HOME $HOME/loot/inner'\n\
                  verify = 'touch $HOME/loot/inner/owned'\n";
    let world = World::outside_of_tmp();
    let site = Site::new(&world, User::Current, policy, &[]);
    std::fs::create_dir(site.home("loot/inner")).unwrap();
    site.run("git-deploy run dev --yes").fails(4);
    assert!(site.home("loot/inner").is_symlink());
    assert!(!site.home("owned").exists());
}
