use std::net::IpAddr;

use http::Uri;
use toml::Value;

use super::read::{FromValue, text};

/// A full `http` or `https` URL without credentials, query and fragment, and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    uri: Uri,
}

impl HttpUrl {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub(super) fn parse(given: &str) -> Result<Self, String> {
        const EXPECTED: &str = "a full URL, such as \"https://lumina.example.com\"";
        if given.contains(['?', '#']) {
            return Err("leave out what begins with ? or #: parameters are added to the URL".to_owned());
        }
        let text = given.trim_end_matches('/').to_owned();
        let uri: Uri = text.parse().map_err(|_| format!("write {EXPECTED}"))?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        match authority {
            Some(authority) if authority.as_str().contains('@') => {
                Err("leave out the user and password before the @".to_owned())
            }
            Some(_) if is_web => Ok(Self { text, uri }),
            _ => Err(format!("write {EXPECTED}")),
        }
    }

    /// As written, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is encrypted on the way.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Its host in lower case, without a port, brackets or a dot at its end.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase()
    }

    /// Whether it leads to this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_loopback || host == "localhost" || host.ends_with(".localhost")
    }

    pub(super) fn has_path(&self) -> bool {
        !matches!(self.uri.path(), "" | "/")
    }
}

impl FromValue for HttpUrl {
    fn from_value(value: &Value) -> Result<Self, String> {
        Self::parse(text(value, "a URL in quotes")?)
    }
}
