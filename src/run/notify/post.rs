//! One attempt to post a message to a webhook: the only place that speaks HTTP.
//!
//! Errors are our own words, because the library's may quote the address, which may be a secret.

use std::io::ErrorKind;
use std::time::Duration;

use chrono::DateTime;
use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};

use super::Failure;
use crate::clock;
use crate::domain::policy::WebhookUrl;

/// Posts, and waits for the answer's head at most so long; its body is not read.
///
/// Redirects are never followed, as the `CloudEvents` webhook specification wants it. A proxy is taken from the environment
/// (`HTTPS_PROXY`, `NO_PROXY` …), but for this machine itself; certificates are judged as the system does it.
pub(super) fn post(
    url: &WebhookUrl,
    media_type: &str,
    body: &[u8],
    within: Duration,
) -> Result<(), Failure> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(!url.is_local())
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(within))
        .user_agent(concat!("git-deploy/", env!("CARGO_PKG_VERSION")))
        .tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::PlatformVerifier)
                .build(),
        );
    let config = if url.is_local() {
        config.proxy(None)
    } else {
        config
    };
    let answer = config
        .build()
        .new_agent()
        .post(url.secret())
        .header(CONTENT_TYPE, media_type)
        .send(body);
    match answer {
        Ok(answer) => judged(answer.status(), answer.headers()),
        Err(error) => Err(Failure::later(words(&error, within))),
    }
}

/// What an answer means.
fn judged(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let why = format!(
            "it answered {}, a redirect, which is not followed",
            status.as_u16()
        );
        return Err(Failure::Final(why));
    }
    let why = format!("it answered {}", status.as_u16());
    let again = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_client_error() && !again.contains(&status) {
        return Err(Failure::Final(why));
    }
    Err(Failure::Later {
        why,
        after: headers
            .get(RETRY_AFTER)
            .and_then(|value| wait(value.to_str().ok()?)),
    })
}

/// What `Retry-After` asks for: seconds, or a moment.
fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let moment = DateTime::parse_from_rfc2822(text).ok()?;
    let seconds = moment.timestamp().saturating_sub(clock::now().seconds());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

const TLS: &str = "its certificate is not accepted, or TLS failed";

fn words(error: &ureq::Error, within: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", within.as_secs_f32()),
        // How rustls says that it does not trust the other side.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => TLS.to_owned(),
        // The system's own words: it never knew more than the host.
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => TLS.to_owned(),
        ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => {
            "the proxy failed".to_owned()
        }
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
            "its answer is not proper HTTP".to_owned()
        }
        _ => "the request failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that asks for patience gets it, in both spellings; nonsense is no reason to wait.
    #[test]
    fn retry_after() {
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert!(wait("Fri, 31 Dec 9999 23:59:59 GMT").unwrap() > Duration::from_secs(1 << 30));
        for nonsense in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }
}
