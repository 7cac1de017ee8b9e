//! Where to listen, as a person writes it: [`Address`]. Invariant: what an address prints as reads
//! back as the same address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen.
///
/// Written `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/service.sock`:
///
/// ```
/// # use crore::Address;
/// let address: Address = "[::1]:8080".parse()?;
/// assert_eq!(address.to_string(), "[::1]:8080");
/// # Ok::<(), crore::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// A TCP address and port. Port 0 takes a free one, which
    /// [`Running::addresses`](crate::Running::addresses) tells.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// A text is not an address. Prints as what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError {
    text: String,
    advice: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |advice| AddressError { text: text.to_owned(), advice };
        match text.strip_prefix("unix:") {
            Some("") => Err(wrong("a Unix socket needs a path: unix:/run/service.sock".into())),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| wrong(advice(text))),
        }
    }
}

/// Says how an address that could not be read is to be written, from what it looks like.
fn advice(text: &str) -> String {
    match text.parse() {
        Ok(IpAddr::V4(ip)) => return format!("the port is missing; write {ip}:8080"),
        Ok(IpAddr::V6(ip)) => return format!("the port is missing; write [{ip}]:8080"),
        Err(_) => {}
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
        _ if text.parse::<u16>().is_ok() => ("", text),
        _ => return "write IP:PORT, [IPV6]:PORT or unix:PATH, like 127.0.0.1:8080".into(),
    };
    match host {
        "" | "*" => format!("write 0.0.0.0:{port} for all IPv4 addresses, [::]:{port} for IPv6"),
        "localhost" => format!("names are not looked up; write 127.0.0.1:{port} or [::1]:{port}"),
        _ if host.contains(':') => format!("an IPv6 address needs brackets: [{host}]:{port}"),
        _ => format!("names are not looked up; write an IP address: 127.0.0.1:{port}"),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl AddressError {
    /// What to write instead.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an address: {}", self.text, self.advice)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_read_back_as_they_print() {
        for text in ["127.0.0.1:8080", "[::1]:0", "0.0.0.0:80", "unix:/run/a b.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_to_write() {
        for (text, advice) in [
            ("8080", "write 0.0.0.0:8080 for all"),
            (":8080", "write 0.0.0.0:8080 for all"),
            ("localhost:80", "write 127.0.0.1:80"),
            ("example.org:80", "names are not looked up"),
            ("127.0.0.1", "write 127.0.0.1:8080"),
            ("::1", "write [::1]:8080"),
            ("fe80::1:2:80", "write [fe80::1:2:80]:8080"),
            ("2001:db8:0:0:0:0:0:0:1:80", "needs brackets"),
            ("127.0.0.1:99999", "write IP:PORT"),
            ("unix:", "needs a path"),
            ("", "write IP:PORT"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }
}
