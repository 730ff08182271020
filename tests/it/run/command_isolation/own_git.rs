//! The git that git-deploy starts runs programs that a command may have replaced. They find no key.

use super::{KEY_VARIABLE, Site, User};
use crate::harness::{Run, World};

/// Looks for the key in the environments of all processes, and then does what the honest program does.
const SPY: &str = r#"#!/bin/sh
{ echo looked
env | grep -q KEY-LINE && echo key in its own environment
for process in /proc/[0-9]*; do
    if tr '\0' '\n' < $process/environ | grep -q KEY-LINE; then
        echo "key of $(cat $process/comm)"
    fi
done; } >> $HOME/loot/found 2> /dev/null
"#;

/// Stands for ssh, or for the programs of git on the remote.
const HONEST: &str = "for argument; do last=$argument; done\nexec sh -c \"$last\"\n";

const POLICY: &str = r#"
[environments]
processes = { exec_by = "ci" }
off = { isolation = "off", exec_by = "ci" }
[components.api]
paths = ["api/**"]
apply = 'sh $HOME/plant'
"#;

/// Where a command plants a program, and how the clone's git comes to start it.
const PLACES: [(&str, &str, &str); 3] = [
    ("a program of the search path", "bin/ssh", "true"),
    (
        "the file of core.sshCommand",
        "tools/transport",
        "git config core.sshCommand 'sh ~/tools/transport'",
    ),
    (
        "the file of remote.origin.receivepack",
        "tools/receive",
        "git config remote.origin.receivepack '~/tools/receive'",
    ),
];

#[test]
fn programs_that_git_starts_find_no_key() {
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, POLICY, &[]);
        let key = site.take_key();
        let line = key.lines().nth(1).unwrap();
        let address = "git remote set-url origin \"ssh://ci@host$(git remote get-url origin)\"";
        site.run(address).ok();
        for folder in ["bin", "tools"] {
            std::fs::create_dir_all(site.home(folder)).unwrap();
        }
        for (place, file, setting) in PLACES {
            for mode in ["processes", "off"] {
                for command in ["run MODE --yes --all", "exec MODE --yes -- sh ~/plant"] {
                    let honest = if file == "tools/receive" {
                        "exec git-receive-pack \"$@\"\n"
                    } else {
                        HONEST
                    };
                    std::fs::write(site.home("bin/ssh"), format!("#!/bin/sh\n{HONEST}")).unwrap();
                    let program = site.home(file);
                    std::fs::write(&program, format!("#!/bin/sh\n{honest}")).unwrap();
                    let spy = format!("{}{honest}", SPY.replace("KEY-LINE", line));
                    std::fs::write(site.home("spy"), spy).unwrap();
                    let plant = format!(
                        "cp ~/spy ~/{file}.new && chmod +x ~/{file}.new && mv -f ~/{file}.new ~/{file}\n"
                    );
                    std::fs::write(site.home("plant"), plant).unwrap();
                    std::fs::write(site.home("loot/found"), "").unwrap();
                    site.give();
                    let command = command.replace("MODE", mode);
                    let script = format!(
                        "chmod +x ~/bin/ssh ~/{file}; export PATH=$HOME/bin:$PATH; {setting}; \
                         git config deploy.allowExposedKey {}; git-deploy {command}; exit $?",
                        mode == "off"
                    );
                    let mut shell = site.shell(&script);
                    // A CI system may have the key under another name, too.
                    shell.env(KEY_VARIABLE, &key).env("CI_SECRET", &key);
                    let run = Run::of(&world, &mut shell).ok();
                    let found = site.loot("found");
                    let what = format!("{user:?} {place}, {command}: {found}{run}");
                    assert!(found.contains("looked\n"), "{what}");
                    // Without isolation, which is the control, the spy finds the key.
                    assert_eq!(found.contains("key of sh"), mode == "off", "{what}");
                    assert_eq!(found.contains("key "), mode == "off", "{what}");
                    site.run("git config --unset core.sshCommand; git config --unset remote.origin.receivepack; true").ok();
                }
            }
        }
    }
}

/// With isolated files, a command may not write to what git starts, wherever that is.
#[test]
fn programs_that_git_starts_are_not_writable() {
    let world = World::outside_of_tmp();
    let site = Site::new(&world, User::Current, "[environments]\ndev = {}\n", &[]);
    for folder in ["tools/bin", ".ssh", "a b", "data"] {
        std::fs::create_dir_all(site.home(folder)).unwrap();
    }
    std::fs::create_dir_all(site.home("linked")).unwrap();
    std::os::unix::fs::symlink(site.home("tools/ssh"), site.home("linked/ssh")).unwrap();
    std::os::unix::fs::symlink(site.home("tools/x"), site.home("linked/git-credential-x")).unwrap();
    for (writable, prepare, is_refused) in [
        ("~/tools", "true", false),
        ("~/tools", "PATH=$PATH:$HOME/tools/bin", true),
        ("~/tools/bin", "PATH=$HOME/tools:$PATH", false),
        ("~/tools", "PATH=$HOME/linked:$PATH", true),
        ("~/tools", "export GIT_SSH=$HOME/tools/ssh", true),
        ("~/tools", "export GIT_ASKPASS=~/tools/ask", true),
        ("~/.ssh", "true", true),
        ("/usr/lib", "true", true),
        (
            "~/tools",
            "git config core.sshCommand 'ssh -F ~/tools/config'",
            true,
        ),
        (
            "~/tools",
            "git config credential.helper '!~/tools/helper x'",
            true,
        ),
        (
            "~/tools",
            "git config credential.https://a.b.helper $HOME/tools/helper",
            true,
        ),
        (
            "~/a b",
            "git config credential.helper '\"$HOME/a b/helper\"'",
            true,
        ),
        (
            "~/tools",
            "git config remote.origin.receivepack ~/tools/receive",
            true,
        ),
        (
            "~/data",
            "git config core.sshCommand 'ssh -F ~/tools/config'",
            false,
        ),
        ("~/data", "PATH=$PATH:$HOME/tools/bin", false),
    ] {
        site.project.publish(&format!(
            "[environments]\ndev = {{ isolation = \"files\" }}\n[components.api]\n\
             paths = [\"api/**\"]\nwritable = [\"{writable}\", \"~/loot\"]\napply = 'echo x > $HOME/loot/ran'\n"
        ));
        let run = site.run(&format!(
            "{prepare}; git-deploy run dev --yes --all; exit $?"
        ));
        let case = format!("{writable} {prepare}: {run}");
        let run = run.fails(i32::from(is_refused));
        assert_eq!(
            run.words_of_err().contains("must not be"),
            is_refused,
            "{case}"
        );
        let has_run = std::fs::remove_file(site.home("loot/ran")).is_ok();
        assert_eq!(has_run, !is_refused, "{case}");
        site.run(
            "for name in core.sshCommand credential.helper credential.https://a.b.helper \
             remote.origin.receivepack; do git config --unset $name; done; true",
        )
        .ok();
    }
}
