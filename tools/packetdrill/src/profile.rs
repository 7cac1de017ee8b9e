//! Whose habits the stack takes on: option order and defaults. Invariant: a profile changes only
//! what RFCs leave open; what they ask for is the same in all of them.

use std::path::PathBuf;

/// The same as `settings=`, as a variable.
const SETTINGS: &str = "CRORE_PACKETDRILL_SETTINGS";

/// The system whose suites are to pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    Linux,
    FreeBsd,
}

/// What `--so_flags` asks for: `linux` or `freebsd`, and `key=value` after commas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flags {
    pub(crate) profile: Profile,
    /// MTU for IPv4, `mtu=`.
    pub(crate) mtu_v4: u16,
    /// MTU for IPv6, `mtu6=`.
    pub(crate) mtu_v6: u16,
    /// A file of settings that goes before what the machine says, `settings=`.
    pub(crate) settings: Option<PathBuf>,
}

impl Flags {
    /// Reads the flags. What is not understood is told on standard error and passed over: the
    /// interface has no way to refuse.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let profile = match words.next() {
            Some("freebsd") => Profile::FreeBsd,
            Some("linux") | None => Profile::Linux,
            Some(other) => {
                eprintln!("crore-packetdrill: --so_flags={other}: linux or freebsd; taking linux");
                Profile::Linux
            }
        };
        // The suites for Linux are run with an MTU of 1,520 over IPv6, for the same MSS in both.
        let mtu_v6 = if profile == Profile::Linux { 1_520 } else { 1_500 };
        let settings = std::env::var_os(SETTINGS).map(PathBuf::from);
        let mut flags = Self { profile, mtu_v4: 1_500, mtu_v6, settings };
        for word in words {
            let number = |text: &str| text.parse::<u16>().ok().filter(|mtu| *mtu >= 68);
            match word.split_once('=').map(|(key, value)| (key, value, number(value))) {
                Some(("mtu", _, Some(mtu))) => flags.mtu_v4 = mtu,
                Some(("mtu6", _, Some(mtu))) => flags.mtu_v6 = mtu,
                Some(("settings", path, _)) => flags.settings = Some(path.into()),
                _ => eprintln!("crore-packetdrill: --so_flags: {word} is not understood"),
            }
        }
        flags
    }

    /// Largest segment over IPv4 or IPv6: the MTU less the fixed headers.
    pub(crate) const fn mss(&self, ipv6: bool) -> u16 {
        if ipv6 { self.mtu_v6.saturating_sub(60) } else { self.mtu_v4.saturating_sub(40) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flags, Profile};

    #[test]
    fn flags_name_a_profile_and_mtus() {
        assert_eq!(Flags::parse("").profile, Profile::Linux);
        let flags = Flags::parse("freebsd,mtu=9000, mtu6=1280");
        assert_eq!(flags.profile, Profile::FreeBsd);
        assert_eq!((flags.mss(false), flags.mss(true)), (8_960, 1_220));
        assert_eq!(Flags::parse("linux,mtu=x,colour=red"), Flags::parse("linux"));
        let flags = Flags::parse("linux,settings=/tmp/a");
        assert_eq!(flags.settings.as_deref(), Some("/tmp/a".as_ref()));
    }
}
