//! The options for the inputs of a deployment: its change request, release, labels and origin. In a CI
//! job, the job's variables provide defaults.

use crate::cli::ci_job::{read_ci_origin, read_variable};
use crate::cli::{CliError, ErrorKind, Ui, append_report};
use crate::domain::address::credentials::check_addresses;
use crate::domain::entry::{Labels, MAX_LABELS, Origin};
use crate::domain::input_name::OriginField;
use crate::domain::name::Label;
use crate::domain::text::Line;
use crate::run::deployment_inputs::DeploymentInputs;

/// The inputs of a deployment.
#[derive(Default, clap::Args)]
pub struct InputArgs {
    /// The change request that the deployment belongs to. Defaults to that of the CI job
    #[arg(hide_short_help = true, long, value_name = "ID", value_parser = append_report::parse_line)]
    pub change: Option<Line>,
    /// The release that the deployment belongs to
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    pub release: Option<Label>,
    /// A label, such as ticket=OPS-7 (repeatable, at most 16)
    #[arg(hide_short_help = true, long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(Label, Line)>,
    /// Where the deployment comes from (repeatable)
    ///
    /// NAME is system, run-url, actor, repository, branch, tag or email. Defaults to the values in
    /// the variables of the CI job.
    #[arg(hide_short_help = true, long = "origin", value_name = "NAME=VALUE", value_parser = parse_origin)]
    origin: Vec<(OriginField, String)>,
}

/// Parses `ticket=OPS-7`.
pub fn parse_label(text: &str) -> Result<(Label, Line), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((
        name.parse().map_err(|error| format!("{error}"))?,
        append_report::parse_line(value)?,
    ))
}

/// Parses `run-url=https://ci.example.com/17`, and checks the value.
fn parse_origin(text: &str) -> Result<(OriginField, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let field = OriginField::find(name).ok_or_else(|| {
        let names: Vec<&str> = OriginField::ALL.iter().map(|it| it.name()).collect();
        format!("expected one of {}", names.join(", "))
    })?;
    check_addresses(value).map_err(|error| error.to_string())?;
    Origin::default().set(field, value)?;
    Ok((field, value.to_owned()))
}

impl InputArgs {
    /// Returns the inputs: the options, and the values in the variables of the CI job. Prints a warning
    /// for each variable whose value is not valid.
    ///
    /// # Errors
    ///
    /// Fails if a label is given twice, or if there are too many.
    pub fn read(&self, ui: &Ui) -> Result<DeploymentInputs, CliError> {
        let ci = read_ci_origin(&read_variable);
        for warning in &ci.warnings {
            ui.eprint_warning(warning);
        }
        let mut labels = Labels::new();
        for (name, value) in &self.labels {
            if labels.insert(name.clone(), value.clone()).is_some() {
                let message = format!("the label {name} is given twice");
                return Err(CliError::new(ErrorKind::Usage, message));
            }
        }
        if labels.len() > MAX_LABELS {
            let message = format!("a deployment has at most {MAX_LABELS} labels");
            return Err(CliError::new(ErrorKind::Usage, message));
        }
        let mut given_origin = Origin::default();
        for (field, value) in &self.origin {
            given_origin.set(*field, value).map_err(|why| {
                CliError::new(ErrorKind::Usage, format!("{}: {why}", field.name()))
            })?;
        }
        Ok(DeploymentInputs {
            change: self.change.clone().or(ci.change),
            release: self.release.clone(),
            labels,
            origin: ci.origin.overridden_by(given_origin),
        })
    }
}
