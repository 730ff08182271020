//! Posts a message to a webhook, once. This is the only place that speaks HTTP.
//!
//! Errors use our own words, because those of the library may contain the address, which may be a
//! secret.

use std::io::ErrorKind;
use std::time::Duration;

use chrono::DateTime;
use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};

use super::delivery::SendFailure;
use crate::clock;
use crate::domain::policy::WebhookUrl;

/// Posts a message, and waits for the head of the response for at most `timeout`. The body of the
/// response is not read.
///
/// Redirects are never followed, as the `CloudEvents` webhook specification requires. The proxy
/// comes from the environment (`HTTPS_PROXY`, `NO_PROXY` …); addresses of this machine use none.
/// Certificates are checked with the verifier of the system.
pub(super) fn post(
    url: &WebhookUrl,
    media_type: &str,
    body: &[u8],
    timeout: Duration,
) -> Result<(), SendFailure> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(!url.is_local())
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout))
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
    let response = config
        .build()
        .new_agent()
        .post(url.secret())
        .header(CONTENT_TYPE, media_type)
        .send(body);
    match response {
        Ok(response) => check_response(response.status(), response.headers()),
        Err(ureq::Error::Timeout(_)) => Err(SendFailure::TimedOut),
        Err(error) => Err(SendFailure::temporary(describe_error(&error))),
    }
}

/// Turns a response into a result.
fn check_response(status: StatusCode, headers: &HeaderMap) -> Result<(), SendFailure> {
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let why = format!(
            "it answered {}, a redirect, which is not followed",
            status.as_u16()
        );
        return Err(SendFailure::Permanent(why));
    }
    let why = format!("it answered {}", status.as_u16());
    let retryable = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_client_error() && !retryable.contains(&status) {
        return Err(SendFailure::Permanent(why));
    }
    Err(SendFailure::Temporary {
        why,
        after: headers
            .get(RETRY_AFTER)
            .and_then(|value| parse_retry_after(value.to_str().ok()?)),
    })
}

/// Reads `Retry-After`: seconds or a time.
fn parse_retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let time = DateTime::parse_from_rfc2822(text).ok()?;
    let seconds = time.timestamp().saturating_sub(clock::now().as_seconds());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The description of any error of TLS.
const TLS_FAILED: &str = "its certificate is not accepted, or TLS failed";

/// Describes an error without the address.
fn describe_error(error: &ureq::Error) -> String {
    match error {
        // This is how rustls reports an untrusted certificate.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => TLS_FAILED.to_owned(),
        // An error of the system, which never contains more than the host.
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => TLS_FAILED.to_owned(),
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

    /// A service that asks for a delay gets it, in both formats. An invalid value does not delay
    /// anything.
    #[test]
    fn retry_after() {
        assert_eq!(parse_retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(
            parse_retry_after("Thu, 01 Jan 1970 00:00:00 GMT"),
            Some(Duration::ZERO)
        );
        assert!(
            parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT").unwrap()
                > Duration::from_secs(1 << 30)
        );
        for nonsense in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(parse_retry_after(nonsense), None, "{nonsense}");
        }
    }
}
