//! Refuses entries that would record the value of a secret.
//!
//! A shell replaces `$TOKEN` in a description, a label or a command before this program sees it. If
//! the variable has the name of a secret of the policy, its value is known without reading the
//! secret.

use serde::Serialize;
use serde_json::Value;

use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::policy::{Policy, VarName};
use crate::run::process::Mask;

/// Shorter values, such as `true`, occur in other texts, too.
const MIN_VALUE_BYTES: usize = 8;

/// Checks that no text of an entry, or of what it is about, contains the value of a variable of this
/// program's environment that has the name of a secret.
///
/// # Errors
/// Fails with the name of the secret.
pub fn refuse_exposed_secrets(policy: &Policy, texts: &impl Serialize) -> Result<(), CliError> {
    let cannot_check = || "cannot look for secrets in the entry";
    let texts = serde_json::to_value(texts).context(ErrorKind::CannotTell, cannot_check())?;
    for name in policy.secret_names() {
        let Some(value) = std::env::var_os(name.as_str()) else {
            continue;
        };
        let value = value.as_encoded_bytes();
        if value.len() < MIN_VALUE_BYTES {
            continue;
        }
        let mask = Mask::new([value]).context(ErrorKind::CannotTell, cannot_check())?;
        if has_masked_text(&texts, &mask) {
            return Err(explain_exposed_secret(name));
        }
    }
    Ok(())
}

/// Returns whether the mask replaces anything in a text of the entry.
fn has_masked_text(value: &Value, mask: &Mask) -> bool {
    match value {
        Value::String(text) => mask.mask_text(text) != *text,
        Value::Array(items) => items.iter().any(|item| has_masked_text(item, mask)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, item)| mask.mask_text(name) != *name || has_masked_text(item, mask)),
        _ => false,
    }
}

fn explain_exposed_secret(name: &VarName) -> CliError {
    let message = format!("a text has the value of the secret {name}: nothing was written");
    let cause = format!(
        "everybody who reads the repository can read entries, for all time; the text has the value of the variable {name}, which has the name of a secret in the policy"
    );
    CliError::new(ErrorKind::Usage, message).because(cause)
}
