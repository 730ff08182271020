//! The environment of the policy's commands: a small part of this program's own environment, and
//! never the signing key.
//!
//! The policy sets the variables. Secrets are read from their commands when they are used, and
//! never appear in an argument, a log or an entry.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cancellation::Cancellation;
use super::component_checkout::ComponentCheckout;
use super::isolation::{CommandIsolation, WritableFiles};
use super::process::{self, CommandEnd, CommandSpec, MAX_KEPT_OUTPUT, Mask, Program, TERM_GRACE};
use super::saved_plan::PlanSlot;
use crate::domain::entry::Target;
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Environment, Placeholder, Policy, Secret, VarName};

/// The variables that commands inherit from this program.
const INHERITED_VARIABLES: [&str; 4] = ["HOME", "LANG", "PATH", "TERM"];
/// The time limit for a secret's command.
const SECRET_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest secret, in bytes.
const MAX_SECRET_BYTES: usize = 64 << 10;

/// The context of a deployment, from which the environment of its commands is built.
#[derive(Debug, Clone)]
pub struct CommandEnv<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The environment's name.
    pub environment: &'a EnvName,
    /// The environment's part of the policy.
    pub rules: &'a Environment,
    /// The run, once it has started.
    pub run: Option<RunId>,
    /// The last known good commit of each component.
    pub last_good: BTreeMap<ComponentName, CommitId>,
    /// How its commands are isolated.
    pub isolation: &'a CommandIsolation,
    /// The files that they may change if files are isolated.
    pub writable: &'a WritableFiles,
}

/// One component to work on, with the folders that its commands use.
#[derive(Debug, Clone)]
pub struct ComponentJob {
    /// The commit, version and artifacts to deploy.
    pub target: Target,
    /// The commit that ran before.
    pub previous: Option<CommitId>,
    /// Its files at the commit, which are written before each step.
    pub checkout: ComponentCheckout,
    /// The folder in which its commands run, in that checkout.
    pub folder: PathBuf,
    /// The folder in which they may write.
    pub scratch: PathBuf,
    /// The file to which their output is appended.
    pub log: PathBuf,
    /// Its plan.
    pub plan: Arc<PlanSlot>,
    /// The folder of the plan files that commands read. No command writes there.
    pub plans: PathBuf,
}

impl ComponentJob {
    /// Returns the path to which its plan command writes the plan.
    pub fn new_plan_file(&self) -> PathBuf {
        self.scratch.join("plan")
    }
}

/// The kind of command for which secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPurpose {
    /// A plan. It runs before the deployment is approved, so it gets only the secrets that the
    /// policy allows for plans.
    Plan,
    /// Any other command. It gets all secrets.
    Other,
}

/// Why a secret could not be read. The error never contains output of the command.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its command failed.
    #[error("the command of the secret {0} failed: {1}")]
    Failed(VarName, CommandEnd),
    /// Its command could not be run.
    #[error("the command of the secret {0} could not be run: {1}")]
    Start(VarName, std::io::Error),
    /// Its output is empty, too long, or contains a byte that no variable can hold.
    #[error("the command of the secret {0} printed {1}")]
    Unusable(VarName, &'static str),
    /// The secrets cannot be masked.
    #[error(transparent)]
    Mask(#[from] process::MaskError),
}

/// The secrets of one command, and the mask that keeps them out of its output.
pub struct Secrets {
    values: Vec<(VarName, Vec<u8>)>,
    /// Replaces the secrets in output.
    pub mask: Mask,
}

impl CommandEnv<'_> {
    /// Returns how a component's commands are isolated. If files are, a command may write to the
    /// component's checkout, which is written again before each step, to its scratch folder, and to
    /// its `writable` paths.
    ///
    /// # Errors
    /// One of the folders does not exist.
    pub fn isolate(&self, job: &ComponentJob) -> io::Result<CommandIsolation> {
        // No other command could have replaced these by links.
        let own = [
            job.checkout.folder.canonicalize()?,
            job.scratch.canonicalize()?,
        ];
        let own = own.iter().map(PathBuf::as_path);
        let writable = self.writable.of_component(&job.target.component);
        Ok(self.isolation.allow(own.chain(writable)))
    }

    /// Reads the secrets of a component for a command.
    pub fn read_secrets(
        &self,
        component: &ComponentName,
        purpose: SecretPurpose,
        cancellation: &Cancellation,
    ) -> Result<Secrets, SecretError> {
        let secrets = self.policy.secrets(self.environment, component);
        let writable = self.writable.of_component(component);
        let isolation = self.isolation.allow(writable);
        let mut values = Vec::new();
        for (name, secret) in secrets
            .into_iter()
            .filter(|(_, secret)| secret.plan || purpose == SecretPurpose::Other)
        {
            let value = read_secret(&name, &secret, &isolation, cancellation)?;
            values.push((name, value));
        }
        let mask = Mask::new(values.iter().map(|(_, value)| &value[..]))?;
        Ok(Secrets { values, mask })
    }

    /// Returns the whole environment of a component's commands. `plan_file` is the path for the
    /// plan.
    pub fn build_variables(
        &self,
        job: &ComponentJob,
        secrets: &Secrets,
        plan_file: &Path,
    ) -> BTreeMap<String, OsString> {
        let mut variables = inherit_variables();
        let mut set = |name: &str, value: OsString| drop(variables.insert(name.to_owned(), value));
        set("TMPDIR", job.scratch.join("tmp").into());
        // Terraform must use its own cache folder, and not prompt.
        set("TF_DATA_DIR", job.scratch.join("terraform").into());
        set("TF_IN_AUTOMATION", "1".into());
        set("TF_INPUT", "0".into());
        set("CHECKPOINT_DISABLE", "1".into());
        let variables_of_policy = self
            .policy
            .variables(self.environment, &job.target.component);
        for (name, value) in variables_of_policy {
            set(name.as_str(), value.into());
        }
        for (name, value) in &secrets.values {
            set(name.as_str(), to_os_string(value.clone()));
        }
        for (name, value) in self.describe_job(job) {
            set(name, value.into());
        }
        set("DEPLOY_PLAN", plan_file.into());
        variables
    }

    /// Returns the variables that describe the job to a command. A missing value is empty.
    fn describe_job(&self, job: &ComponentJob) -> [(&'static str, String); 10] {
        let target = &job.target;
        let artifacts: Vec<String> = target
            .artifacts
            .iter()
            .map(|image| format!("{}@{}", image.name, image.digest))
            .collect();
        let others = self
            .last_good
            .iter()
            .filter(|(other, _)| **other != target.component);
        let last_good: Vec<String> = others
            .map(|(other, commit)| format!("{other}={commit}"))
            .collect();
        let version = target.version.as_ref().map(ToString::to_string);
        let previous = job.previous.map(|commit| commit.to_string());
        let run = self.run.map(|run| run.to_string());
        let url = render_url(self.environment, self.rules);
        [
            ("DEPLOY_ENV", self.environment.to_string()),
            ("DEPLOY_COMPONENT", target.component.to_string()),
            ("DEPLOY_COMMIT", target.commit.to_string()),
            ("DEPLOY_SHORT", target.commit.0.prefix(7)),
            ("DEPLOY_VERSION", version.unwrap_or_default()),
            ("DEPLOY_PREVIOUS_COMMIT", previous.unwrap_or_default()),
            ("DEPLOY_ARTIFACT", artifacts.join(" ")),
            ("DEPLOY_URL", url.unwrap_or_default()),
            ("DEPLOY_GOOD", last_good.join(" ")),
            ("DEPLOY_RUN", run.unwrap_or_default()),
        ]
    }
}

/// Returns the URL of an environment, if the policy defines one.
pub fn render_url(name: &EnvName, rules: &Environment) -> Option<String> {
    let value = |placeholder| (placeholder == Placeholder::Env).then(|| name.to_string());
    rules.url.as_ref()?.render(value).ok()
}

/// Returns the variables that every command inherits from this program.
pub fn inherit_variables() -> BTreeMap<String, OsString> {
    INHERITED_VARIABLES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)))
        .collect()
}

/// Runs a secret's command and returns what it prints, without the newline at the end.
fn read_secret(
    name: &VarName,
    secret: &Secret,
    isolation: &CommandIsolation,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, SecretError> {
    let spec = CommandSpec {
        program: Program::Shell(secret.command.as_str()),
        folder: Path::new("/"),
        variables: &inherit_variables(),
        isolation,
        input: b"",
        timeout: Some(SECRET_TIMEOUT),
        grace: TERM_GRACE,
        kept_bytes: MAX_SECRET_BYTES.max(MAX_KEPT_OUTPUT),
        mask: &Mask::default(),
        log: None,
        on_line: None,
    };
    let result = process::run(&spec, cancellation)
        .map_err(|error| SecretError::Start(name.clone(), error))?;
    if !result.end.is_success() {
        return Err(SecretError::Failed(name.clone(), result.end));
    }
    let mut value = result.output.head;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    match value.len() {
        0 => Err(SecretError::Unusable(name.clone(), "nothing")),
        length if length > MAX_SECRET_BYTES => {
            Err(SecretError::Unusable(name.clone(), "more than 64 KiB"))
        }
        _ if value.contains(&0) => Err(SecretError::Unusable(
            name.clone(),
            "a NUL, which no variable can hold",
        )),
        _ => Ok(value),
    }
}

fn to_os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}
