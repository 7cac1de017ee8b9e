//! Whom to ask: [`Target`], read from a URL. Invariant: the address is known before anything is sent,
//! and one that is somebody else's is refused unless the user says that it may be loaded.

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use load::Range;

use crate::settings::{Place, Problem};

/// How long one of several addresses of a host may take to be connected to.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URL, as the report says it.
    pub url: String,
    /// What goes into `Host`.
    pub host: String,
    /// What is asked for.
    pub path: String,
    /// Where that is.
    pub address: SocketAddr,
    /// All addresses of the host, that one among them.
    addresses: Vec<SocketAddr>,
    /// Whether it is asked by TLS.
    pub secure: bool,
}

impl Target {
    /// Reads a URL, and looks its host up.
    ///
    /// # Errors
    /// When it is no URL of a kind that can be asked, or the host has no address.
    pub fn read(url: &str) -> Result<Self, Problem> {
        let wrong = |reason: String| Problem::new(Place::Flag("URL".into()), reason);
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((other, _)) => {
                let problem = wrong(format!("{other}:// is not spoken"));
                return Err(problem.advise("write http:// or https://"));
            }
            None => (false, url),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if host.is_empty() || host.contains('@') {
            let problem = wrong(format!("`{url}` names no host"));
            return Err(problem.advise("write http://127.0.0.1:8080/index.html"));
        }
        let addresses = look_up(host, if secure { 443 } else { 80 }).map_err(wrong)?;
        let address = addresses[0];
        let scheme = if secure { "https" } else { "http" };
        let url = format!("{scheme}://{host}{path}");
        Ok(Self { url, host: host.to_owned(), path, address, addresses, secure })
    }

    /// The host without its port: what a certificate has to name.
    pub fn name(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.host.split(':').next().unwrap_or(&self.host),
        }
    }

    /// Checks that it is the user's own, or `allowed` whoever it is. Of several addresses those that are
    /// not are left out.
    ///
    /// # Errors
    /// When it may be somebody else's.
    pub fn check(&mut self, allowed: bool) -> Result<(), Problem> {
        let addresses = self.addresses.iter().filter(|address| allowed || is_own(address.ip()));
        let addresses: Vec<SocketAddr> = addresses.copied().collect();
        if let Some(first) = addresses.first() {
            self.address = *first;
            self.addresses = addresses;
            return Ok(());
        }
        let address = self.address.ip();
        let reason = format!(
            "{address} is not loopback, private or link-local, so it may be somebody else's"
        );
        Err(Problem::new(Place::Flag("URL".into()), reason).advise(
            "load on somebody else's server is an attack; --i-may-load-this-host says that you may",
        ))
    }

    /// Takes of several addresses the first that somebody listens at, as browsers do: `localhost` is ::1,
    /// too, and servers often listen on 127.0.0.1 alone. Only those that `sources` can reach count.
    pub fn settle(&mut self, sources: &[Range]) {
        let of_family = |address: &SocketAddr| {
            sources.iter().all(|range| range.first().is_ipv4() == address.is_ipv4())
        };
        let addresses: Vec<_> = self.addresses.iter().copied().filter(of_family).collect();
        let listens = |address: &SocketAddr| TcpStream::connect_timeout(address, PATIENCE).is_ok();
        let settled = match addresses.as_slice() {
            [] | [_] => addresses.first(),
            several => several.iter().find(|address| listens(address)).or(several.first()),
        };
        self.address = settled.copied().unwrap_or(self.address);
    }
}

/// The URL, with the address where that is not in it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, address, .. } = self;
        f.write_str(url)?;
        if self.name().parse::<IpAddr>().is_ok() { Ok(()) } else { write!(f, " ({address})") }
    }
}

/// Whether load on this address can only meet the user's own machines.
fn is_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// At least one address.
fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let has_port = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').is_some_and(|(_, port)| port.starts_with(':')),
        None => host.contains(':'),
    };
    let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
    let found = with_port.to_socket_addrs();
    let found: Vec<_> =
        found.map_err(|error| format!("`{host}` has no address: {error}"))?.collect();
    if found.is_empty() { Err(format!("`{host}` has no address")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::Target;

    #[test]
    fn urls_are_read_into_their_parts() {
        for (url, host, path, address) in [
            ("http://127.0.0.1:8080/a?b=c#d", "127.0.0.1:8080", "/a?b=c", "127.0.0.1:8080"),
            ("http://[::1]", "[::1]", "/", "[::1]:80"),
            ("127.0.0.1:81", "127.0.0.1:81", "/", "127.0.0.1:81"),
            ("http://10.0.0.1?x", "10.0.0.1", "/?x", "10.0.0.1:80"),
            ("http://localhost:7/", "localhost:7", "/", "127.0.0.1:7"),
            ("HTTP://127.0.0.1/", "127.0.0.1", "/", "127.0.0.1:80"),
            ("https://127.0.0.1/x", "127.0.0.1", "/x", "127.0.0.1:443"),
        ] {
            let target = Target::read(url).unwrap();
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path), "{url}");
            let address_found = target.address.to_string();
            assert!(address_found == address || host.starts_with("localhost"), "{address_found}");
            assert_eq!(target.secure, url.starts_with("https"), "{url}");
        }
        for (url, name) in
            [("https://[::1]:8/", "::1"), ("https://localhost:8/", "localhost"), ("::1", "")]
        {
            let target = Target::read(url);
            assert_eq!(target.map_or(String::new(), |target| target.name().to_owned()), name);
        }
        for url in ["", "http://", "https://", "ftp://127.0.0.1/", "http://a b/", "http://u@h/"] {
            assert!(Target::read(url).is_err(), "{url}");
        }
    }

    #[test]
    fn of_a_hosts_addresses_the_one_that_somebody_listens_at_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let url = format!("http://localhost:{}/", at.port());
        // Nobody listens on ::1 at that port, or the kernel would not have chosen it.
        let nobody = SocketAddr::new("::1".parse().unwrap(), at.port());
        let mut target = Target { addresses: vec![nobody, at], ..Target::read(&url).unwrap() };
        target.check(false).unwrap();
        assert_eq!(target.address, nobody);
        target.settle(&[]);
        assert_eq!(target.address, at);
        assert_eq!(target.to_string(), format!("{url} ({at})"));
        drop(listener);
        target.settle(&["127.0.0.2".parse().unwrap()]);
        assert_eq!(target.address, at, "the only one of that family");
        // What is somebody else's is not even tried.
        target.addresses.insert(0, "192.0.2.1:80".parse().unwrap());
        target.check(false).unwrap();
        assert_eq!(target.addresses, [nobody, at]);
    }

    #[test]
    fn only_addresses_near_by_are_the_users_own() {
        let is_own =
            |host: &str| Target::read(&format!("http://{host}/")).unwrap().check(false).is_ok();
        for host in ["127.9.9.9", "10.1.1.1", "192.168.0.1", "172.31.0.1", "169.254.0.1"] {
            assert!(is_own(host), "{host}");
        }
        for host in ["[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]"] {
            assert!(is_own(host), "{host}");
        }
        for host in ["192.0.2.1", "172.32.0.1", "8.8.8.8", "[2001:db8::1]", "[::ffff:8.8.8.8]"] {
            assert!(!is_own(host), "{host}");
        }
    }
}
