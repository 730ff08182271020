//! The keys for running deployments, which no rule reads: commands, variables, secrets and
//! notifications.

use super::*;

pub(crate) const EXECUTION_POLICY: &str = r#"
schema = 1
project = "p"
notify = "tell everyone"
[people]
alice = "<1>"
[environments.dev]
parallel = 2
rollback = "manual"
exec_by = "alice"
advance = { branch = "release", method = "ff" }
variables = { REGION = "eu", ZONE = "b" }
secrets = { TOKEN = { command = "print token", plan = true } }
freeze = { start = 2026-12-20, end = 2026-12-24T12:00:00Z }
[environments.prod]
notify = [
  "tell ops",
  { command = "tell boss", on = "succeeded" },
  { webhook = "https://hooks.example.com/T0/secret", format = "slack", on = ["failed", "rolled-back"] },
  { webhook = { command = "print hook" } },
]
version = { from = "tag:{component}/v*", scheme = "calver" }
[components.api]
paths = "api"
destroy = "make clean"
variables = { REGION = "us", NAME = "api" }
secrets = { PASSWORD = "print password" }
retries = 2
timeout = "30m"
"#;

/// The keys of environments and components that are used when a deployment runs.
#[test]
fn keys_for_running() {
    let policy = parse(EXECUTION_POLICY);
    let (dev, prod, api) = (
        env(&policy, "dev"),
        env(&policy, "prod"),
        "api".parse().unwrap(),
    );
    assert_eq!(
        (dev.parallel, dev.rollback, prod.parallel),
        (2, Rollback::Manual, 4)
    );
    assert_eq!(
        dev.advance.as_ref().unwrap().reference(),
        "refs/heads/release"
    );
    assert_eq!(
        dev.freeze[0].active_until("2026-12-24T11:59:59Z".parse().unwrap()),
        Some("2026-12-24T12:00:00Z".parse().unwrap())
    );
    let variables = policy.variables(&dev.name, &api);
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        variables,
        [("NAME", "api"), ("REGION", "eu"), ("ZONE", "b")]
    );
    assert_eq!(
        policy
            .secrets(&dev.name, &api)
            .values()
            .map(|secret| secret.plan)
            .collect::<Vec<_>>(),
        [false, true]
    );
    let component = policy.component(&api).unwrap();
    assert_eq!(
        (component.retries, component.timeout),
        (2, Some("30m".parse().unwrap()))
    );
}

/// An environment's own `notify` replaces the policy's, and the text for a recipient does not
/// contain a webhook's address.
#[test]
fn recipients() {
    let policy = parse(EXECUTION_POLICY);
    let recipients = |name: &str| {
        let words = |notify: &Notify| {
            notify
                .on
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let notify = env(&policy, name).notify.clone();
        notify
            .iter()
            .map(|notify| (notify.channel.to_string(), words(notify)))
            .collect::<Vec<_>>()
    };
    let all = "plan-ready approval-needed started succeeded failed rolled-back refused about-to-expire approval-expires check-failed on-hold yanked";
    let expected = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(channel, on)| ((*channel).to_owned(), (*on).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        recipients("dev"),
        expected(&[("the command `tell everyone`", all)])
    );
    assert_eq!(
        recipients("prod"),
        expected(&[
            ("the command `tell ops`", all),
            ("the command `tell boss`", "succeeded"),
            ("the webhook at hooks.example.com", "failed rolled-back"),
            ("the webhook whose address `print hook` prints", all),
        ])
    );
    let formats = env(&policy, "prod")
        .notify
        .iter()
        .filter_map(|notify| match &notify.channel {
            NotifyChannel::Webhook { format, .. } => Some(*format),
            NotifyChannel::Command(_) => None,
        });
    assert_eq!(
        formats.collect::<Vec<_>>(),
        [WebhookFormat::Slack, WebhookFormat::CloudEvents]
    );
    assert!(!format!("{policy:?}").contains("T0/secret"));
    let none = EXECUTION_POLICY.replace("parallel = 2", "notify = []");
    assert!(env(&parse(&none), "dev").notify.is_empty());
}
