//! A command cannot have git-deploy, or what git-deploy starts later, do what it may not do itself.

use super::{Site, User};
use crate::harness::World;

/// git-deploy reads the plan file outside of the command's isolation.
#[test]
fn a_plan_file_is_no_link() {
    let policy = "[environments]\ndev = {}\n[components.api]\npaths = [\"api/**\"]\n\
        plan = 'if test -e ~/loot/target; then ln -s $(cat ~/loot/target) $DEPLOY_PLAN; else echo fine > $DEPLOY_PLAN; fi'\n\
        apply = 'cp $DEPLOY_PLAN ~/loot/plan'\n";
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, policy, &[]);
        site.run("git-deploy run dev --yes").ok();
        assert_eq!(site.loot("plan"), "fine\n", "{user:?}");
        for target in ["/proc/$$/environ", "$HOME/.gitconfig"] {
            let script = format!("echo {target} > ~/loot/target; git-deploy run dev --all --yes");
            let run = site.run(&script).fails(4);
            assert!(run.text().contains("not a regular file"), "{user:?}: {run}");
            assert_eq!(site.loot("plan"), "fine\n", "{user:?}: {run}");
        }
    }
}

/// A command has no terminal to type in, none of the files that the CI job has open, and no say in
/// which program git-deploy runs as git.
#[test]
fn a_command_inherits_nothing() {
    let apply = "read -r process name state parent group session rest < /proc/$$/stat\n\
        if test $session = $$; then echo own session; fi > ~/loot/$DEPLOY_ENV\n\
        if (: >&8) 2> /dev/null; then echo open file; fi >> ~/loot/$DEPLOY_ENV\n\
        printf \"#!/bin/sh\\ntouch ~/loot/hijacked\\n\" > ~/../git && chmod +x ~/../git\n";
    let policy = format!(
        "[environments]\nprocesses = {{}}\noff = {{ isolation = \"off\" }}\n\
         [components.api]\npaths = [\"api/**\"]\napply = '''{apply}'''\n"
    );
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, &policy, &[]);
        let run = |environment: &str| {
            site.run(&format!(
                "exec 8> ~/inherited; git-deploy run {environment} --yes"
            ))
        };
        let said = run("processes").ok();
        assert_eq!(site.loot("processes"), "own session\n", "{user:?}: {said}");
        assert!(!site.home("loot/hijacked").exists(), "{user:?}: {said}");
        // The controls.
        let shell = format!("exec 8> ~/inherited; DEPLOY_ENV=shell; {apply}");
        site.run(&shell).ok();
        assert_eq!(site.loot("shell"), "open file\n", "{user:?}");
        site.run("git version").ok();
        assert!(site.home("loot/hijacked").exists(), "{user:?}");
        std::fs::remove_file(world.path().join("git")).unwrap();
        run("off").ok();
        assert_eq!(site.loot("off"), "own session\n", "{user:?}");
    }
}
