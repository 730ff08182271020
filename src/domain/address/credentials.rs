//! Finds credentials in the addresses of a text: a user name or a password before the host, and
//! parameters whose names say that they are secret.
//!
//! Only a reader of the address knows whether a parameter is secret, so this goes by the names that
//! are in use. A token in a path is not recognized.

/// Words that make a parameter secret wherever they occur in its name, without `-` and `_`.
const SECRET_WORDS: [&str; 13] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "authkey",
    "privatekey",
    "signature",
    "credential",
    "session",
    "bearer",
];

/// Names of secret parameters that also occur in other words.
const SECRET_NAMES: [&str; 9] = [
    "key",
    "sig",
    "pwd",
    "pass",
    "pat",
    "auth",
    "authorization",
    "jwt",
    "sas",
];

/// Credentials in an address. The text of the error does not repeat them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A user name, a password, or a token in their place.
    #[error(
        "an address in it contains a user name or a password: remove it, because an entry is permanent"
    )]
    UserInfo,
    /// A parameter.
    #[error(
        "an address in it has the parameter {0}, which may be secret: remove it, because an entry is permanent"
    )]
    Parameter(String),
}

/// Checks that no address in a text contains credentials. The user name of an ssh address is none.
pub fn check_addresses(text: &str) -> Result<(), CredentialsError> {
    let ends_address = |character: char| character.is_whitespace() || "\"'<>`".contains(character);
    for word in text.split(ends_address) {
        let mut rest = word;
        while let Some((before, address)) = rest.split_once("://") {
            let is_ssh = before.to_ascii_lowercase().ends_with("ssh");
            let end = address.find(['/', '?', '#']).unwrap_or(address.len());
            let (authority, path) = address.split_at(end);
            if let Some((user, _)) = authority.rsplit_once('@')
                && (!is_ssh || user.contains(':'))
            {
                return Err(CredentialsError::UserInfo);
            }
            let mut parameters = path.split(['?', '#', '&', ';']).skip(1);
            if let Some(secret) = parameters.find_map(find_secret_name) {
                return Err(CredentialsError::Parameter(secret.to_owned()));
            }
            rest = address;
        }
    }
    Ok(())
}

/// Removes the parameters that may be secret from the part of an address after its host.
pub(super) fn remove_secret_parameters(path: &str) -> String {
    let (rest, fragment) = path.split_once('#').unwrap_or((path, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut kept = path.to_owned();
    for (separator, parameters) in [('?', query), ('#', fragment)] {
        let open = parameters
            .split('&')
            .filter(|part| part.split(';').all(|it| find_secret_name(it).is_none()));
        let open: Vec<&str> = open.filter(|part| !part.is_empty()).collect();
        if !open.is_empty() {
            kept.push(separator);
            kept.push_str(&open.join("&"));
        }
    }
    kept
}

/// Returns the name of a parameter `name=value` if the value may be secret.
fn find_secret_name(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    (is_secret_name(name) && !value.is_empty()).then_some(name)
}

/// Returns whether the name of a parameter says that its value is secret.
fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    SECRET_WORDS.iter().any(|word| plain.contains(word)) || SECRET_NAMES.contains(&plain.as_str())
}

/// Returns whether the name of an environment variable says that its value is secret: `API_TOKEN`,
/// or `DB_PASS`.
pub fn is_secret_variable(name: &str) -> bool {
    is_secret_name(name) || name.rsplit('_').next().is_some_and(is_secret_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Credentials are found wherever an address stands in a text, and nothing else is refused.
    #[test]
    fn addresses_with_credentials() {
        for bad in [
            "https://bob:s3cret@example.com/1",
            "https://ghp_s3cret@github.com/acme/shop",
            "see (HTTP://bob:s3cret@example.com) for more",
            "ssh://git:s3cret@example.com/x",
            "https://ci.example.com/1?token=s3cret",
            "https://ci.example.com/1?a=1&private_token=s3cret",
            "https://ci.example.com/1?a=1;Access-Token=s3cret",
            "https://ci.example.com/1#access_token=s3cret&x=1",
            "https://ci.example.com/#/run?key=s3cret",
            "https://s3.example.com/log?X-Amz-Credential=s3cret",
            "https://s3.example.com/log?X-Amz-Signature=s3cret",
            "https://blob.example.com/log?sv=1&sig=s3cret",
            "https://ci.example.com/1?api_key=s3cret",
            "https://ok.example.com/1,https://bob:s3cret@example.com/1",
        ] {
            let error = check_addresses(bad).expect_err(bad).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        for good in [
            "CHG-1",
            "4711",
            "bob@example.com asked for it",
            "https://ci.example.com/1?buildId=7&author=bob#log-3",
            "https://ci.example.com/1?token=",
            "https://ci.example.com/@acme/shop",
            "ssh://git@example.com/acme/shop.git",
            "git@example.com:acme/shop.git",
            "token=abc is only the name of a flag",
        ] {
            assert_eq!(check_addresses(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn names_of_secret_variables() {
        for name in [
            "API_TOKEN",
            "DB_PASS",
            "SSH_PRIVATE_KEY",
            "npm_config__auth",
            "AWS_SECRET_ACCESS_KEY",
            "Key",
        ] {
            assert!(is_secret_variable(name), "{name}");
        }
        for name in [
            "HOME",
            "OLDPWD",
            "SSH_AUTH_SOCK",
            "PASSAGE",
            "KEYBOARD",
            "REGION",
            "",
        ] {
            assert!(!is_secret_variable(name), "{name}");
        }
    }

    /// What is left after the removal contains no credentials, and keeps every other parameter.
    #[test]
    fn removed_parameters() {
        for (path, wanted) in [
            ("/1", "/1"),
            ("/1?a=1&b=2#c", "/1?a=1&b=2#c"),
            ("/1?token=x", "/1"),
            ("/1?token=x&b=2", "/1?b=2"),
            ("/1?b=2;token=x&c=3", "/1?c=3"),
            ("/1?a=1#access_token=x&t=1", "/1?a=1#t=1"),
            ("?sig=x#sig=y", ""),
        ] {
            assert_eq!(remove_secret_parameters(path), wanted);
        }
    }
}
