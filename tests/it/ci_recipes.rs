//! The recipes of docs/ci.md: each pipeline's commands, run in a checkout with the variables of its
//! CI.

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = "[environments]
dev  = { checks = [\"test-result\"] }
prod = { promote_from = \"dev\" }

[checks]
test-result = { by = \"ci\" }
";
const TEST: &str = "#!/bin/sh
echo '<testsuites><testsuite name=\"all\" tests=\"1\"><testcase classname=\"a\" name=\"b\"/></testsuite></testsuites>' > report.xml
";
/// A deployment that fails if the commit says so.
const DEPLOY: &str = "#!/bin/sh\n! grep -q broken server\n";

/// How a CI checks out a commit of a branch, and the variables that it sets.
#[derive(Clone, Copy)]
struct Ci {
    /// The heading of its recipe.
    name: &'static str,
    checkout: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

/// A good commit reaches dev, and with GitHub prod too; a failed deployment is recorded as failed
/// and puts the environment on hold.
#[test]
fn ci_recipes_work() {
    let github = Ci {
        name: "GitHub Actions",
        checkout: "git checkout -q --force -B main refs/remotes/origin/main",
        variables: &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REF", "refs/heads/main"),
        ],
    };
    let gitlab = Ci {
        name: "GitLab CI",
        checkout: "git checkout -q --force --detach refs/remotes/origin/main",
        variables: &[
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_DEFAULT_BRANCH", "main"),
        ],
    };
    let azure = Ci {
        name: "Azure Pipelines",
        checkout: "git checkout -q --force --detach refs/remotes/origin/main",
        variables: &[
            ("TF_BUILD", "True"),
            ("BUILD_SOURCEBRANCH", "refs/heads/main"),
            ("BUILD_REASON", "IndividualCI"),
        ],
    };
    let in_steps = Ci {
        name: "A deployment in several steps",
        ..github
    };
    for ci in [github, gitlab, azure, in_steps] {
        let world = World::new();
        let project = Project::new(&world, POLICY);
        project.alice.repo.write("test", TEST);
        project.alice.repo.write("deploy", DEPLOY);
        project.alice.repo.git(&["add", "."]).ok();
        project
            .alice
            .repo
            .git(&["update-index", "--chmod=+x", "test", "deploy"])
            .ok();
        let mut steps = steps(ci.name);
        if !steps.iter().any(|step| step == "./test") {
            let beginning = self::steps("GitHub Actions").into_iter();
            let beginning = beginning.take_while(|step| !step.contains("git deploy record"));
            steps.splice(0..0, beginning);
        }
        let good = project.push("server", "well\n");
        assert!(!ci.play(&project, &steps, "first"), "{}", ci.name);
        let environments: &[&str] = if steps.iter().any(|step| step.contains("./deploy prod")) {
            &["dev", "prod"]
        } else {
            &["dev"]
        };
        runs(&project, environments, &good);
        project.push("server", "broken\n");
        assert!(ci.play(&project, &steps, "second"), "{}", ci.name);
        project.carol.deploy(&["sync"]).ok();
        let status = project.carol.deploy(&["status"]).ok().text();
        assert!(
            status.contains("is on hold in dev because it failed"),
            "{}: {status}",
            ci.name
        );
        project.audited();
    }
}

/// A job that was killed in the middle of a deployment leaves an unfinished run. The step for cancelled
/// jobs aborts it without a hold, and is no failure if the end is recorded already.
#[test]
fn cancelled_jobs_leave_no_unfinished_run() {
    for name in ["GitHub Actions", "GitLab CI", "Azure Pipelines"] {
        let world = World::new();
        let project = Project::new(&world, POLICY);
        let ci = Ci {
            name,
            checkout: "git checkout -q --force --detach refs/remotes/origin/main",
            variables: &[("CI_COMMIT_BRANCH", "main")],
        };
        let steps = steps(name);
        let cancelled = steps.iter().find(|step| is_for_cancelled_jobs(step));
        let cancelled = cancelled.unwrap();
        let ci_job = &project.ci.repo;
        ci_job
            .run(
                "sh",
                &["-c", &steps[0].replace("$DEPLOY_ROOT", &root_of(&project))],
            )
            .ok();
        project
            .ci
            .deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
        project.ci.deploy(&["record", "dev", "--start"]).ok();
        ci.step(&project, ci_job, cancelled, "canceled").ok();
        let status = project.ci.deploy(&["status"]).ok().text();
        assert!(
            !status.contains("on hold") && !status.contains("has not finished"),
            "{name}: {status}"
        );
        ci.step(&project, ci_job, cancelled, "canceled").ok();
        project.audited();
    }
}

/// A job that waits for approvals deploys nothing and is green, and deploys once it has them.
#[test]
fn waiting_jobs_are_green() {
    let world = World::new();
    let policy = "[environments.prod]\napprovals = { required = 1, by = [\"bob\", \"carol\"] }\n";
    let project = Project::new(&world, policy);
    let ci = Ci {
        name: "GitHub Actions",
        checkout: "",
        variables: &[],
    };
    let step = steps(ci.name)
        .into_iter()
        .find(|step| step.contains("./deploy prod"));
    let step = step.unwrap().replace("./deploy prod", "touch ../deployed");
    let ran = world.path().join("deployed");
    let run = ci.step(&project, &project.ci.repo, &step, "success").ok();
    assert!(!ran.exists() && run.err().contains("approvals"), "{run}");
    project.bob.deploy(&["approve", "prod"]).ok();
    ci.step(&project, &project.ci.repo, &step, "success").ok();
    assert!(ran.exists());
    project.audited();
}

fn root_of(project: &Project<'_>) -> String {
    let root = &project.alice.repo;
    root.git(&["config", "deploy.root"]).ok().text()
}

/// If the remote shows another project than the pinned one, or nothing is pinned, a recipe fails
/// before it deploys anything.
#[test]
fn recipes_pin_the_project() {
    for name in ["GitHub Actions", "GitLab CI", "Azure Pipelines"] {
        let world = World::new();
        let project = Project::new(&world, POLICY);
        let steps = steps(name);
        let pin = steps.first().unwrap();
        let other = project.alice.repo.rev("HEAD");
        for (root, code) in [(&*other, 1), ("", 3)] {
            let checkout = world.clone_from(&project.server.url(), "ci-job", &[]);
            let mut command = checkout.command("sh");
            command.args(["-e", "-c", pin]).env("DEPLOY_ROOT", root);
            Run::of(&world, &mut command).ok();
            checkout.deploy(&["record", "dev", "--start"]).fails(code);
            checkout.deploy(&["check", "prod"]).fails(code);
            std::fs::remove_dir_all(checkout.path()).unwrap();
        }
    }
}

#[track_caller]
fn runs(project: &Project<'_>, environments: &[&str], commit: &str) {
    project.carol.deploy(&["sync"]).ok();
    for environment in environments {
        let ledger = format!("refs/deploy/{environment}:components/demo/commit");
        assert_eq!(project.carol.repo.rev(&ledger), commit);
    }
}

impl Ci {
    /// Plays the pipeline on main as it is; says whether it failed. After a failure only those steps go on that are for that.
    fn play(&self, project: &Project<'_>, steps: &[String], folder: &str) -> bool {
        let checkout = project.world.existing(folder, "ci");
        std::fs::create_dir(checkout.path()).unwrap();
        let url = project.server.url();
        for command in [
            "git init -q",
            &format!("git remote add origin {url}"),
            "git fetch -q --no-tags --prune origin +refs/heads/*:refs/remotes/origin/*",
            self.checkout,
        ] {
            checkout.run("sh", &["-c", command]).ok();
        }
        self.play_steps(project, &checkout, steps)
    }

    /// Plays these steps in a checkout.
    fn play_steps(&self, project: &Project<'_>, checkout: &Repo<'_>, steps: &[String]) -> bool {
        let mut failed = false;
        for step in steps {
            if failed == step.contains("--failed") && !is_for_cancelled_jobs(step) {
                let run = self.step(
                    project,
                    checkout,
                    step,
                    if failed { "failed" } else { "success" },
                );
                let expected = step.contains("./deploy") || run.succeeded();
                assert!(expected, "{}: {run}", self.name);
                failed |= !run.succeeded();
            }
        }
        failed
    }

    fn step<'w>(
        &self,
        project: &Project<'w>,
        checkout: &Repo<'w>,
        step: &str,
        status: &str,
    ) -> Run<'w> {
        let key = std::fs::read_to_string(project.world.path().join("home/ci.key")).unwrap();
        let mut command = checkout.command("sh");
        command
            .args(["-e", "-c", step])
            .env("CI", "true")
            .env("GIT_DEPLOY_KEY", key)
            .env("DEPLOY_ROOT", root_of(project));
        command.env("CI_JOB_STATUS", status);
        command.envs(self.variables.iter().copied());
        Run::of(project.world, &mut command)
    }
}

fn is_for_cancelled_jobs(step: &str) -> bool {
    step.contains("git deploy abort")
}

/// Returns the commands of a recipe that test, deploy and record.
fn steps(name: &str) -> Vec<String> {
    let document = include_str!("../../docs/ci.md");
    let (_, section) = document.split_once(&format!("\n## {name}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let commands = section
        .lines()
        .map(str::trim)
        .map(|line| line.strip_prefix("- ").unwrap_or(line));
    let commands = commands.map(|line| {
        line.strip_prefix("run: ")
            .or(line.strip_prefix("script: "))
            .unwrap_or(line)
    });
    let ours = |line: &&str| {
        let is_command = line.contains("git deploy ") || line.contains("git config deploy.");
        line.starts_with("./") || (is_command && !line.contains('`'))
    };
    commands.filter(ours).map(str::to_owned).collect()
}
