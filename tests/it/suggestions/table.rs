//! The states in which each rule refuses.

use crate::harness::{Member, Project};

use super::scene::Host;

/// A state in which a rule refuses.
pub struct Row {
    pub rule: &'static str,
    /// The environments of the policy.
    pub policy: &'static str,
    pub set_up: fn(&Project<'_>),
    pub attempt: Attempt,
    /// The words that a person reads to whom nothing is suggested.
    pub without: &'static str,
}

/// What each person tries.
#[derive(Debug, Clone, Copy)]
pub enum Attempt {
    /// A command of git-deploy.
    Deploy(&'static [&'static str]),
    /// A push of a branch or a tag, which only a server judges.
    Push(&'static str),
    /// A push of an entry that no command writes, which only a server judges.
    Forged(fn(&Member<'_>) -> String),
}

impl Attempt {
    /// Returns whether the attempt is refused on this host.
    pub fn exists_on(self, host: Host) -> bool {
        matches!(self, Self::Deploy(_)) || host == Host::Server
    }
}

const RECORD: Attempt = Attempt::Deploy(&["record", "prod"]);
const NOTHING: fn(&Project<'_>) = |_| ();

/// Records a success in prod, and pushes another commit.
fn run_first(project: &Project<'_>) {
    project.bob.deploy(&["record", "prod"]).ok();
    project.push("api/x", "two\n");
}

pub const ROWS: &[Row] = &[
    Row {
        rule: "authorization",
        policy: "[environments.prod]\ndeployers = \"bob\"\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "bob may",
    },
    Row {
        rule: "authorization",
        policy: "[environments.prod]\ndeployers = \"bob\"\napprovals = { required = 1, by = \"carol\" }\n",
        set_up: NOTHING,
        attempt: Attempt::Deploy(&["approve", "prod", "--anyway"]),
        without: "carol",
    },
    Row {
        rule: "authorization",
        policy: "[environments.prod]\n",
        set_up: NOTHING,
        attempt: Attempt::Deploy(&["record", "prod", "HEAD", "--baseline"]),
        without: "admin",
    },
    Row {
        rule: "chain",
        policy: "[environments.prod]\n",
        set_up: |project| {
            let lock = ["lock", "prod", "--component", "demo", "-m", "one"];
            project.carol.deploy(&lock).ok();
        },
        attempt: Attempt::Forged(|member| {
            // Whoever has not seen the lock continues an older tip.
            let lock = crate::harness::member::a_lock();
            member.build("prod", lock, None, |_| ()).to_string()
        }),
        without: "",
    },
    Row {
        rule: "time",
        policy: "[environments.prod]\n",
        set_up: NOTHING,
        attempt: Attempt::Forged(|member| {
            member.repo.deploy(&["sync"]);
            let lock = crate::harness::member::a_lock();
            let late = git_deploy::testing::domain::time::Span::from_seconds(32_400);
            let id = member.build("prod", lock, None, |it| it.at = it.at.plus(late));
            id.to_string()
        }),
        without: "clock",
    },
    Row {
        rule: "content",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\n[components.demo]\npaths = \"**\"\napply = \"true\"\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "git-deploy deploys demo itself",
    },
    Row {
        rule: "content",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\n[components.demo]\npaths = \"**\"\napply = \"true\"\n",
        set_up: |project| {
            project.bob.deploy(&["run", "prod", "--yes"]).ok();
            project.push("api/x", "two\n");
            project.bob.deploy(&["run", "prod", "--yes"]).ok();
        },
        attempt: Attempt::Deploy(&["record", "prod", "HEAD~1", "--rollback"]),
        without: "git-deploy deploys demo itself",
    },
    Row {
        rule: "state",
        policy: "[environments.prod]\n",
        set_up: NOTHING,
        attempt: Attempt::Deploy(&["unlock", "prod"]),
        without: "prod is not locked",
    },
    Row {
        rule: "state",
        policy: "[environments.prod]\n",
        set_up: |project| drop(project.carol.deploy(&["lock", "prod", "-m", "x"]).ok()),
        attempt: Attempt::Deploy(&["lock", "prod", "-m", "y"]),
        without: "prod is already locked",
    },
    Row {
        rule: "state",
        policy: "[environments.\"pr-*\"]\ndeployers = [\"bob\", \"ci\"]\nephemeral = { ttl = \"8h\", limit = 1 }\n",
        set_up: |project| drop(project.bob.deploy(&["record", "pr-1"]).ok()),
        attempt: Attempt::Deploy(&["record", "pr-2"]),
        without: "1 of at most 1",
    },
    Row {
        rule: "previous environment",
        policy: "[environments.dev]\ndeployers = [\"bob\", \"ci\"]\n[environments.prod]\npromote_from = \"dev\"\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "previous environment",
        policy: "[environments.dev]\ndeployers = \"ci\"\n[environments.prod]\npromote_from = \"dev\"\n",
        set_up: |project| {
            project
                .ci
                .deploy(&["record", "dev", "--verification", "failed"])
                .ok();
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "previous environment",
        policy: "[environments.dev]\ndeployers = [\"bob\", \"ci\"]\n[environments.prod]\npromote_from = \"dev\"\n",
        set_up: |project| drop(project.ci.deploy(&["record", "dev", "--failed"]).ok()),
        attempt: RECORD,
        without: "",
    },
    // A deployment in dev is made by a command that the entries do not store.
    Row {
        rule: "previous environment",
        policy: "[environments.dev]\ndeployers = [\"bob\", \"ci\"]\n[environments.prod]\npromote_from = \"dev\"\n",
        set_up: |project| {
            project.ci.deploy(&["record", "dev", "--", "true"]).ok();
            project.push("api/x", "two\n");
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "previous environment",
        policy: "[environments.dev]\ndeployers = [\"bob\", \"ci\"]\n[environments.prod]\npromote_from = \"dev\"\n",
        set_up: |project| {
            project
                .alice
                .deploy(&["record", "dev", "HEAD", "--baseline"])
                .ok();
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "soak",
        policy: "[environments.dev]\n[environments.prod]\npromote_from = \"dev\"\nsoak = \"1h\"\n",
        set_up: |project| {
            project
                .ci
                .deploy(&["record", "dev", "--verification", "passed"])
                .ok();
        },
        attempt: RECORD,
        without: "left",
    },
    Row {
        rule: "approvals",
        policy: "[environments.prod]\napprovals = { required = 1, by = [\"bob\", \"carol\"] }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "approvals",
        policy: "[environments.prod]\napprovals = { required = 1, by = \"alice\" }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "no eligible approver is left",
    },
    Row {
        rule: "approvals",
        policy: "[environments.prod]\ndeployers = \"ci\"\napprovals = { required = 2, by = [\"alice\", \"carol\"] }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "left",
    },
    Row {
        rule: "approvals",
        policy: "[groups]\nrelease = [\"alice\"]\n[environments.prod]\ndeployers = \"ci\"\napprovals = { required = 1, by = \"release\" }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "approvals",
        policy: "[environments.prod]\ndeployers = \"ci\"\napprovals = 3\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "approvals",
        policy: "[environments.prod]\ndeployers = \"ci\"\napprovals = { required = 1, by = [\"bob\", \"carol\"] }\n[components.demo]\npaths = \"**\"\napply = \"true\"\n",
        set_up: NOTHING,
        attempt: Attempt::Deploy(&["run", "prod", "--yes"]),
        without: "",
    },
    Row {
        rule: "checks",
        policy: "[environments.prod]\nchecks = [\"test-result\"]\n[checks]\ntest-result = { by = \"ci\" }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "checks",
        policy: "[environments.prod]\nchecks = [\"change-review\"]\n[checks]\nchange-review = { by = [\"alice\", \"carol\"] }\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "artifact",
        policy: "[environments.prod]\nartifact = \"required\"\n[artifacts]\nby = \"ci\"\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "yanked",
        policy: "[environments.prod]\n",
        set_up: |project| drop(project.carol.deploy(&["yank", "HEAD", "-m", "bad"]).ok()),
        attempt: RECORD,
        without: "was yanked by carol: bad",
    },
    Row {
        rule: "fast-forward",
        policy: "[environments.prod]\nbranch = \"main\"\ndeploy_on = \"approval\"\n",
        set_up: |project| {
            project.publish("[environments.prod]\n");
            run_first(project);
            project.bob.deploy(&["record", "prod"]).ok();
            project.publish("[environments.prod]\nbranch = \"main\"\ndeploy_on = \"approval\"\n");
        },
        attempt: Attempt::Deploy(&["record", "prod", "HEAD~1"]),
        without: "",
    },
    Row {
        rule: "fast-forward",
        policy: "[environments.prod]\n",
        set_up: run_first,
        attempt: Attempt::Deploy(&["record", "prod", "HEAD", "--rollback"]),
        without: "",
    },
    Row {
        rule: "hold",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\n",
        set_up: |project| drop(project.bob.deploy(&["record", "prod", "--failed"]).ok()),
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "up to date",
        policy: "[environments.prod]\nbranch = \"release\"\ndeploy_on = \"approval\"\nup_to_date = true\n",
        set_up: |project| {
            let base = project.alice.repo.rev("HEAD");
            project.bob.deploy(&["record", "prod"]).ok();
            project.alice.push(&["HEAD:refs/heads/release"]).ok();
            let other = ["commit-tree", "-m", "Other", "-p", &base, "HEAD^{tree}"];
            let other = project.alice.repo.git(&other).ok().text();
            project
                .alice
                .push(&[&format!("{other}:refs/heads/release")])
                .ok();
            project.push("web/x", "two\n");
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "lock",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\n",
        set_up: |project| drop(project.bob.deploy(&["lock", "prod", "-m", "x"]).ok()),
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "lock",
        policy: "[environments.prod]\n[components.api]\npaths = \"api/**\"\n",
        set_up: |project| {
            let lock = ["lock", "prod", "--component", "api", "-m", "x"];
            project.bob.deploy(&lock).ok();
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "lock",
        policy: "[environments.prod]\n",
        set_up: |project| drop(project.ci.deploy(&["record", "prod", "--start"]).ok()),
        attempt: RECORD,
        without: "wait until ci finishes it",
    },
    Row {
        rule: "lock",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\n",
        set_up: |project| {
            project.ci.deploy(&["record", "prod", "--start"]).ok();
            project.world.advance("30h");
        },
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "freeze",
        policy: "[environments.prod]\nfreeze = [{ start = \"Thu 09:00\", end = \"Thu 13:00\", reason = \"market\" }]\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "until 13:00",
    },
    Row {
        rule: "version",
        policy: "[environments.prod]\nversion = { from = \"file:VERSION\", require_bump = true }\n",
        set_up: |project| {
            project.push("VERSION", "1.0.0\n");
            run_first(project);
        },
        attempt: RECORD,
        without: "not higher than the running version",
    },
    Row {
        rule: "inputs",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\nrequire = [\"change\", \"label:ticket\"]\n",
        set_up: NOTHING,
        attempt: RECORD,
        without: "",
    },
    Row {
        rule: "branch",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\nbranch = \"release\"\ndeploy_on = \"approval\"\n",
        set_up: |project| drop(project.push("api/x", "two\n")),
        attempt: Attempt::Push("origin/main:refs/heads/release"),
        without: "",
    },
    Row {
        rule: "tag",
        policy: "[environments.prod]\ndeployers = [\"bob\", \"ci\"]\nversion = { from = \"file:VERSION\" }\ntag = \"v{version}\"\n",
        set_up: |project| {
            project.push("VERSION", "1.0.0\n");
            run_first(project);
        },
        attempt: Attempt::Push("origin/main:refs/tags/v1.0.0"),
        without: "",
    },
];
