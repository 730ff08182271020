//! No command can read the memory or the environment of another process.

use super::{KEY_VARIABLE, Site, User};
use crate::harness::{Run, World};

/// Looks into every process of the machine, and notes where it finds the key and whose memory it can
/// open. The git-deploy that runs the command is among them, and so is the shell of the CI job.
const SNOOP: &str = r#"#!/bin/sh
loot=$HOME/loot/$1
echo "looked" > $loot
for process in /proc/[0-9]*; do
    if tr '\0' '\n' 2> /dev/null < $process/environ | grep -q "KEY-LINE"; then
        echo "key of $(cat $process/comm)" >> $loot
    fi
done 2> /dev/null
if test -n "$2"; then
    (: < /proc/$2/mem) 2> /dev/null && echo "memory of $(cat /proc/$2/comm)" >> $loot
fi
env | grep -q KEY-LINE && echo "key in its own environment" >> $loot
exit 0
"#;

/// The commands of the policy that look around.
const STEPS: [&str; 5] = ["plan", "apply", "verify", "secret", "exec"];

fn snooping_policy() -> String {
    let environments = ["processes", "files", "off"].map(|mode| {
        ["git", "direct"].map(|start| {
            // With isolated files, a notification can write to no component's files.
            let notify = match mode {
                "processes" => format!(
                    "notify = {{ command = 'sh $HOME/snoop notify-{mode}-{start}', on = \"succeeded\" }}\n"
                ),
                _ => String::new(),
            };
            format!(
                "[environments.{mode}-{start}]\nisolation = \"{mode}\"\nexec_by = \"ci\"\n{notify}"
            )
        })
    });
    let command = |step: &str| format!("sh $HOME/snoop {step}-$DEPLOY_ENV $(cat $HOME/loot/shell)");
    format!(
        "{}\n[components.api]\npaths = [\"api/**\"]\nwritable = \"~/loot\"\n\
         plan = '{}'\napply = '{}'\nverify = '{}'\n\
         secrets = {{ TOKEN = \"sh $HOME/snoop secret; echo token\" }}\n",
        environments.concat().concat(),
        command("plan"),
        command("apply"),
        command("verify"),
    )
}

/// The key is in the shell of a CI job, so in every process from there to the command.
#[test]
fn no_command_reads_the_key_of_a_ci_job() {
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, &snooping_policy(), &[]);
        let key = site.take_key();
        let line = key.lines().nth(1).unwrap();
        std::fs::write(site.home("snoop"), SNOOP.replace("KEY-LINE", line)).unwrap();
        for mode in ["processes", "files", "off"] {
            for (start, program) in [("git", "git deploy"), ("direct", "git-deploy")] {
                let env = format!("{mode}-{start}");
                let script = format!(
                    "echo $$ > $HOME/loot/shell; git config deploy.allowExposedKey {} && \
                     {program} run {env} --yes && \
                     {program} exec {env} --yes --component api -- sh $HOME/snoop exec-{env}; exit $?",
                    mode == "off"
                );
                let run = Run::of(&world, site.shell(&script).env(KEY_VARIABLE, &key)).ok();
                let is_told = run.words_of_err().contains("are not isolated");
                assert_eq!(is_told, mode == "off", "{run}");
                for step in STEPS {
                    let loot = match step {
                        "secret" => site.loot("secret"),
                        step => site.loot(&format!("{step}-{env}")),
                    };
                    if mode == "off" {
                        // The control.
                        assert!(loot.contains("key of sh"), "{user:?} {env} {step}: {loot}");
                        let through_git = loot.contains("key of git\n");
                        assert_eq!(through_git, start == "git", "{user:?} {env} {step}: {loot}");
                    } else {
                        assert_eq!(loot, "looked\n", "{user:?} {env} {step}");
                    }
                }
                if mode == "processes" {
                    let loot = site.loot(&format!("notify-{env}"));
                    assert_eq!(loot, "looked\n", "{user:?} {env}");
                }
            }
        }
    }
}

const SIBLINGS: &str = r#"
[environments]
processes = {}
files = { isolation = "files" }
off = { isolation = "off" }
[components.api]
paths = ["api/**"]
writable = "~/loot"
apply = '''
until test -s $HOME/loot/pid; do sleep 0.02; done
process=$(cat $HOME/loot/pid)
{ tr '\0' '\n' < /proc/$process/environ | grep PROD_TOKEN
(: < /proc/$process/mem) && echo its memory is open
readlink /proc/$process/fd/1 && echo its files can be seen
echo looked; } > $HOME/loot/api-$DEPLOY_ENV 2> /dev/null
touch $HOME/loot/go
'''
[components.web]
paths = ["web/**"]
writable = "~/loot"
secrets = { PROD_TOKEN = "echo secret-of-web" }
apply = '''
echo $$ > $HOME/loot/pid.new && mv $HOME/loot/pid.new $HOME/loot/pid
until test -e $HOME/loot/go; do sleep 0.02; done
rm $HOME/loot/go $HOME/loot/pid
'''
"#;

/// Two components at the same time: one looks at the other.
#[test]
fn no_command_reads_the_secret_or_the_memory_of_another_component() {
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, SIBLINGS, &[("web/x", "one\n")]);
        for mode in ["processes", "files", "off"] {
            site.run(&format!("git-deploy run {mode} --yes")).ok();
            let loot = site.loot(&format!("api-{mode}"));
            if mode == "off" {
                // The control. The kernel may keep memory even from the same user.
                for part in ["PROD_TOKEN=secret-of-web", "its files"] {
                    assert!(loot.contains(part), "{user:?}: {loot}");
                }
            } else {
                assert_eq!(loot, "looked\n", "{user:?} {mode}");
            }
        }
    }
}

const CAPABILITIES: &str = r#"
[environments]
processes = {}
files = { isolation = "files" }
off = { isolation = "off" }
[components.api]
paths = ["api/**"]
writable = "~/loot"
apply = 'grep -E "^(Cap|NoNew)" /proc/self/status > $HOME/loot/$DEPLOY_ENV'
"#;

/// Root without these capabilities cannot read another process either.
#[test]
fn capabilities_are_dropped_from_every_set() {
    // CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_PERFMON.
    let dropped: u64 = (1 << 16) | (1 << 17) | (1 << 19) | (1 << 21) | (1 << 38);
    for user in User::list() {
        let world = World::outside_of_tmp();
        let site = Site::new(&world, user, CAPABILITIES, &[]);
        for mode in ["processes", "files", "off"] {
            site.run(&format!("git-deploy run {mode} --yes")).ok();
            let loot = site.loot(mode);
            let is_isolated = mode != "off";
            for (name, value) in loot.lines().filter_map(|line| line.split_once(":\t")) {
                if name == "NoNewPrivs" {
                    // Root needs it only without CAP_SYS_ADMIN, as in a container.
                    let is_expected = is_isolated && !user.is_root();
                    assert_eq!(value == "1", is_expected, "{user:?} {mode}: {loot}");
                    continue;
                }
                let held = u64::from_str_radix(value, 16).unwrap() & dropped;
                // An ordinary user can take nothing from the bounding set.
                if is_isolated && (user.is_root() || name != "CapBnd") {
                    assert_eq!(held, 0, "{user:?} {mode} {name}: {loot}");
                }
                if !is_isolated && user.is_root() && name == "CapEff" {
                    assert_ne!(held, 0, "the control holds them: {loot}");
                }
            }
        }
    }
}

const SERVER: &str = r#"
[environments]
dev = {}
[components.api]
paths = ["api/**"]
apply = '''
sleep 1000 & kill $!
wait $!
test $? = 143 && echo child >> $HOME/loot/result
if test -s $HOME/loot/server; then kill $(cat $HOME/loot/server) && echo server >> $HOME/loot/result; fi
sleep 1000 > /dev/null 2>&1 < /dev/null & echo $! > $HOME/loot/server
'''
"#;

/// Isolation leaves a command the signals that it needs.
#[test]
fn commands_can_signal_their_children_and_earlier_servers() {
    for user in User::list() {
        let world = World::new();
        let site = Site::new(&world, user, SERVER, &[]);
        site.run("git-deploy run dev --yes").ok();
        site.run("git-deploy run dev --yes --all").ok();
        site.run("kill $(cat $HOME/loot/server)").ok();
        assert_eq!(site.loot("result"), "child\nchild\nserver\n", "{user:?}");
    }
}

/// The hidden helper only takes access away, no matter who starts it.
#[test]
fn the_helper_gives_nobody_anything() {
    let world = World::new();
    let repo = world.repo("alice");
    let helper = |arguments: &str| {
        let script = format!("exec -a git-deploy-isolated-command git-deploy {arguments}");
        Run::of(&world, repo.command("bash").args(["-c", &script]))
    };
    helper("").fails(126);
    helper("unknown -- true").fails(126);
    for kind in ["session", "processes", "processes-at-terminal"] {
        helper(&format!("{kind} --")).ok();
    }
    // Only variables with the prefix reach the command.
    let run = helper("processes -- /usr/bin/env").ok();
    assert_eq!(run.text(), "", "{run}");
    let run = helper("processes -- /no/such/program").fails(127);
    assert!(run.err().contains("cannot run /no/such/program"), "{run}");
    helper("processes -- /etc/passwd").fails(126);
    helper("files relative -- /bin/true").fails(126);
    helper("files / -- /bin/true").ok();
    let run = helper("files -- /bin/sh -c 'echo x > here'");
    assert!(
        !run.succeeded() && !repo.path().join("here").exists(),
        "{run}"
    );
}

const SUDO: &str = r#"
[environments]
dev = {}
off = { isolation = "off" }
[components.api]
paths = ["api/**"]
apply = 'echo "sudo: The \"no new privileges\" flag is set" >&2; exit 1'
"#;

/// An ordinary user's command cannot use sudo. The error must not leave that to be guessed.
#[test]
fn a_failure_after_sudo_is_explained() {
    for user in User::list() {
        let world = World::new();
        let site = Site::new(&world, user, SUDO, &[]);
        for env in ["dev", "off"] {
            let run = site.run(&format!("git-deploy run {env} --yes")).fails(4);
            let all = format!("{} {}", run.text(), run.err());
            let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_explained = all.contains("an isolated command cannot use sudo");
            let is_expected = env == "dev" && !user.is_root();
            assert_eq!(is_explained, is_expected, "{user:?}: {run}");
        }
    }
}
