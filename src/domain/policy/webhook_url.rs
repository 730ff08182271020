//! The address of a webhook.
//!
//! Anyone who knows it can post to it, so it is never shown: neither by `Debug` nor in an error.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The address of a webhook: `https://`, or `http://` to this machine itself, at most 2,000 ASCII
/// characters, without a user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    url: Box<str>,
    host: Box<str>,
    is_local: bool,
}

impl WebhookUrl {
    /// Returns the whole address, which is a secret: use it only to send a request.
    pub fn secret(&self) -> &str {
        &self.url
    }

    /// Returns the host, with the port if there is one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Checks whether the address is on this machine itself.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}, …)", self.host)
    }
}

impl FromStr for WebhookUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const SUCH_AS: &str = "an address such as https://hooks.example.com/deployments";
        if text.len() > 2_000 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "it is not {SUCH_AS}: at most 2,000 ASCII characters without a space"
            ));
        }
        let is_plaintext = text.starts_with("http://");
        if !is_plaintext && !text.starts_with("https://") {
            return Err(format!("it is not {SUCH_AS}"));
        }
        let uri: http::Uri = text.parse().map_err(|_| format!("it is not {SUCH_AS}"))?;
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| format!("it is not {SUCH_AS}"))?;
        if authority.as_str().contains('@') {
            return Err("an address with a name or a password is not supported".to_owned());
        }
        let host = authority.host();
        let is_local = matches!(host, "localhost" | "[::1]")
            || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
        if is_plaintext && !is_local {
            let only = "only to this machine itself: localhost, 127.0.0.1 or [::1]";
            return Err(format!(
                "http:// can be read and changed on the way, so it is allowed {only}; use https://"
            ));
        }
        Ok(Self {
            url: text.into(),
            host: authority.as_str().into(),
            is_local,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about a deployment must not cross a network in the open, whatever the address
    /// looks like.
    #[test]
    fn addresses() {
        for (good, host) in [
            (
                "https://hooks.example.com/services/T0/B0/secret",
                "hooks.example.com",
            ),
            (
                "https://hooks.example.com:8443?token=secret",
                "hooks.example.com:8443",
            ),
            ("http://localhost:8080/secret", "localhost:8080"),
            ("http://127.0.0.2/secret", "127.0.0.2"),
            ("http://[::1]:80/secret", "[::1]:80"),
        ] {
            let url: WebhookUrl = good.parse().unwrap();
            assert_eq!(
                (url.host(), url.is_local()),
                (host, good.starts_with("http:"))
            );
            assert!(!format!("{url:?}").contains("secret"));
        }
        for (bad, word) in [
            (
                "http://hooks.example.com/secret",
                "read and changed on the way",
            ),
            ("http://localhost.example.com/secret", "read and changed"),
            ("http://127.0.0.1.example.com/secret", "read and changed"),
            ("http://0.0.0.0/secret", "read and changed"),
            ("http://127.1/secret", "read and changed"),
            (
                "http://localhost@example.com/secret",
                "a name or a password",
            ),
            ("https://me:secret@example.com/", "a name or a password"),
            ("ftp://example.com/secret", "such as https://"),
            ("https:///secret", "such as https://"),
            ("https://", "such as https://"),
            ("secret", "such as https://"),
            ("https://example.com/secret with space", "without a space"),
            ("https://example.com/secret\n", "without a space"),
        ] {
            let error = bad.parse::<WebhookUrl>().unwrap_err();
            assert!(
                error.contains(word) && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
        assert!(
            format!("https://example.com/{}", "x".repeat(2_000))
                .parse::<WebhookUrl>()
                .is_err()
        );
    }
}
