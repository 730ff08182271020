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
    for ci in [github, gitlab, azure] {
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
        let steps = steps(ci.name);
        let good = project.push("server", "well\n");
        assert_eq!(
            ci.play(&project, &steps, "first"),
            JobEnd::Success,
            "{}",
            ci.name
        );
        let environments: &[&str] = if steps.iter().any(|step| step.contains("./deploy prod")) {
            &["dev", "prod"]
        } else {
            &["dev"]
        };
        runs(&project, environments, &good);
        project.push("server", "broken\n");
        assert_eq!(
            ci.play(&project, &steps, "second"),
            JobEnd::Failure,
            "{}",
            ci.name
        );
        project.carol.deploy(&["sync"]).ok();
        let status = project.carol.deploy(&["status"]).ok().text();
        assert!(
            status.contains("is on hold in dev because it failed"),
            "{}: {status}",
            ci.name
        );
        // A cancelled job says nothing about the commit: the next job may deploy it.
        let cancelled = project.push("server", "well, too\n");
        let end = ci.play_until(&project, &steps, "third", JobEnd::Cancelled);
        assert_eq!(end, JobEnd::Cancelled, "{}", ci.name);
        assert_eq!(
            ci.play(&project, &steps, "fourth"),
            JobEnd::Success,
            "{}",
            ci.name
        );
        runs(&project, &["dev"], &cancelled);
        project.audited();
    }
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
    /// Plays the pipeline on main as it is, and returns how it ended.
    fn play(&self, project: &Project<'_>, steps: &[String], folder: &str) -> JobEnd {
        self.play_until(project, steps, folder, JobEnd::Success)
    }

    /// Plays the pipeline on main as it is, and cancels it in place of the deployment if it is to end so.
    /// After a failure or a cancellation only those steps go on that are for that.
    fn play_until(
        &self,
        project: &Project<'_>,
        steps: &[String],
        folder: &str,
        wanted: JobEnd,
    ) -> JobEnd {
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
        let mut end = JobEnd::Success;
        for step in steps {
            if end != JobEnd::of_step(step) {
                continue;
            }
            if step.starts_with("./deploy") && wanted == JobEnd::Cancelled {
                end = JobEnd::Cancelled;
                continue;
            }
            let run = self.step(project, &checkout, step, end);
            let expected = step.starts_with("./deploy") || run.succeeded();
            assert!(expected, "{}: {run}", self.name);
            if !run.succeeded() {
                end = JobEnd::Failure;
            }
        }
        end
    }

    fn step<'w>(
        &self,
        project: &Project<'w>,
        checkout: &Repo<'w>,
        step: &str,
        end: JobEnd,
    ) -> Run<'w> {
        let root = &project.alice.repo;
        let root = root.git(&["config", "deploy.root"]).ok().text();
        let key = std::fs::read_to_string(project.world.path().join("home/ci.key")).unwrap();
        let mut command = checkout.command("sh");
        command
            .args(["-e", "-c", step])
            .env("CI", "true")
            .env("GIT_DEPLOY_KEY", key)
            .env("DEPLOY_ROOT", root);
        let status = match end {
            JobEnd::Success => "success",
            JobEnd::Failure => "failed",
            JobEnd::Cancelled => "canceled",
        };
        command.env("CI_JOB_STATUS", status);
        command.envs(self.variables.iter().copied());
        Run::of(project.world, &mut command)
    }
}

/// How a job ends, or the ends after which a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JobEnd {
    Success,
    Failure,
    Cancelled,
}

impl JobEnd {
    fn of_step(step: &str) -> Self {
        if step.contains("--failed") {
            Self::Failure
        } else if step.contains("git deploy abort") {
            Self::Cancelled
        } else {
            Self::Success
        }
    }
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
