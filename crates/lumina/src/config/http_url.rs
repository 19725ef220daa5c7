use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use toml::Value;

use super::read::{FromValue, text};

/// Ends of names that are given within networks (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`).
const PRIVATE_ENDINGS: [&str; 7] = [
    ".localhost",
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".test",
    ".invalid",
];

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

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Whether nobody outside of its own network can reach its host: an address or a name that the internet does not
    /// know.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let host = self.host();
        match host.parse() {
            Ok(IpAddr::V4(ip)) => is_private_v4(ip),
            Ok(IpAddr::V6(ip)) => ip.to_ipv4_mapped().map_or_else(|| is_private_v6(ip), is_private_v4),
            Err(_) => !host.contains('.') || PRIVATE_ENDINGS.iter().any(|ending| host.ends_with(ending)),
        }
    }

    pub(super) fn has_path(&self) -> bool {
        !matches!(self.uri.path(), "" | "/")
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    // 100.64.0.0/10 is what providers give to customers behind their own translation.
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64;
    ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified() || is_shared
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
}

impl FromValue for HttpUrl {
    fn from_value(value: &Value) -> Result<Self, String> {
        Self::parse(text(value, "a URL in quotes")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_internet_cannot_reach_is_private() {
        let rows = [
            ("https://lumina.example.com", false),
            ("https://LUMINA.example.com.", false),
            ("https://203.0.113.7:8443", false),
            ("https://[2001:db8::7]", false),
            ("https://172.15.0.1", false),
            ("https://100.63.0.1", false),
            ("https://localhost", true),
            ("https://db.localhost", true),
            ("https://laptop", true),
            ("https://laptop.local", true),
            ("https://laptop.home.arpa", true),
            ("https://127.8.0.1", true),
            ("https://0.0.0.0", true),
            ("https://10.1.2.3", true),
            ("https://172.31.0.1", true),
            ("https://192.168.0.2", true),
            ("https://169.254.1.1", true),
            ("https://100.64.0.1", true),
            ("https://100.127.0.1", true),
            ("https://[::1]", true),
            ("https://[::]", true),
            ("https://[fd00::1]", true),
            ("https://[fe80::1]", true),
            ("https://[::ffff:10.0.0.1]", true),
            ("https://[::ffff:203.0.113.7]", false),
        ];
        for (url, is_private) in rows {
            assert_eq!(HttpUrl::parse(url).unwrap().is_private(), is_private, "{url}");
        }
    }
}
