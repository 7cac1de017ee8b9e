//! The settings of the system that is imitated, by the names of its `sysctl`. Read when a socket is
//! made and not before: the library is loaded before a script's own set-up runs. Invariant: what
//! cannot be read has the value that the suites set.

use std::collections::BTreeMap;
use std::time::Duration;

use tcp::{Algorithm, KeepAlive};

use crate::profile::{Flags, Profile};

/// What a new socket starts with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    /// SO_RCVBUF before it is set, and the most that it grows to by itself.
    pub(crate) receive: [u32; 2],
    /// SO_SNDBUF, the same.
    pub(crate) send: [u32; 2],
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) window_scaling: bool,
    pub(crate) ecn: Ecn,
    pub(crate) syn_timeout: Duration,
    pub(crate) user_timeout: Duration,
    pub(crate) fin_wait_2: Duration,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) algorithm: Algorithm,
    pub(crate) restart_after_idle: bool,
    pub(crate) tail_loss_probes: bool,
    pub(crate) notsent_lowat: u32,
    /// Segments that are sent as one large one at least, with PSH on the last of them.
    pub(crate) burst_min: u32,
    pub(crate) time_to_live: u8,
}

/// When ECN is negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ecn {
    Never,
    /// Asked for, and agreed to.
    Always,
    /// Agreed to when the peer asks.
    WhenAsked,
}

impl Settings {
    /// Reads them now. A file that the flags name goes before what the machine says, its later
    /// lines before earlier ones: for machines whose settings a script cannot or must not change,
    /// and for FreeBSD's names.
    pub(crate) fn read(flags: &Flags) -> Self {
        let text = flags.settings.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let overrides = text.map(|text| parse(&text)).unwrap_or_default();
        match flags.profile {
            Profile::Linux => Self::linux(&|name| {
                let known = overrides.get(&format!("net.ipv4.{name}")).cloned();
                known.or_else(|| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok())
            }),
            Profile::FreeBsd => Self::freebsd(&|name| overrides.get(name).cloned()),
        }
    }

    /// By what `value` gives for names below `net.ipv4`.
    pub(crate) fn linux(value: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str, or: u64| first(value(name), or);
        let on = |name: &str| number(name, 1) != 0;
        let seconds = |name: &str, or: u64| Duration::from_secs(number(name, or));
        let algorithm = match value("tcp_congestion_control").as_deref().map(str::trim) {
            Some("reno") => Algorithm::NewReno,
            _ => Algorithm::Cubic,
        };
        let syn_retries = number("tcp_syn_retries", 5).min(20);
        Self {
            receive: buffer(value("tcp_rmem"), [540_000, 15 * 1024 * 1024]),
            send: buffer(value("tcp_wmem"), [256 * 1024, 4 * 1024 * 1024]),
            timestamps: on("tcp_timestamps"),
            sack: on("tcp_sack"),
            window_scaling: on("tcp_window_scaling"),
            ecn: match number("tcp_ecn", 0) {
                0 => Ecn::Never,
                1 => Ecn::Always,
                _ => Ecn::WhenAsked,
            },
            // One second, doubled for every time it is sent again.
            syn_timeout: Duration::from_secs((2 << syn_retries) - 1),
            user_timeout: retries(number("tcp_retries2", 15)),
            fin_wait_2: seconds("tcp_fin_timeout", 60),
            keep_alive: KeepAlive {
                idle: seconds("tcp_keepalive_time", 7_200),
                interval: seconds("tcp_keepalive_intvl", 75),
                probes: number("tcp_keepalive_probes", 9) as u8,
            },
            algorithm,
            restart_after_idle: number("tcp_slow_start_after_idle", 0) != 0,
            tail_loss_probes: number("tcp_early_retrans", 3) >= 3,
            notsent_lowat: number("tcp_notsent_lowat", u64::from(u32::MAX)) as u32,
            burst_min: number("tcp_min_tso_segs", 2) as u32,
            time_to_live: number("ip_default_ttl", 64) as u8,
        }
    }

    /// By FreeBSD's names, with its own defaults.
    pub(crate) fn freebsd(value: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str, or: u64| first(value(name), or);
        let tcp = |name: &str, or: u64| number(&format!("net.inet.tcp.{name}"), or);
        let millis = |name: &str, or: u64| Duration::from_millis(tcp(name, or));
        let largest = number("kern.ipc.maxsockbuf", 2 * 1024 * 1024) as u32;
        let extensions = tcp("rfc1323", 1);
        let algorithm = match value("net.inet.tcp.cc.algorithm").as_deref().map(str::trim) {
            Some("newreno") => Algorithm::NewReno,
            _ => Algorithm::Cubic,
        };
        Self {
            receive: [tcp("recvspace", 65_536) as u32, largest],
            send: [tcp("sendspace", 32_768) as u32, largest],
            timestamps: matches!(extensions, 1 | 3),
            sack: tcp("sack.enable", 1) != 0,
            window_scaling: matches!(extensions, 1 | 2),
            ecn: match tcp("ecn.enable", 2) {
                0 => Ecn::Never,
                1 => Ecn::Always,
                _ => Ecn::WhenAsked,
            },
            syn_timeout: millis("keepinit", 75_000),
            user_timeout: retries(12),
            fin_wait_2: millis("finwait2_timeout", 60_000),
            keep_alive: KeepAlive {
                idle: millis("keepidle", 7_200_000),
                interval: millis("keepintvl", 75_000),
                probes: tcp("keepcnt", 8) as u8,
            },
            algorithm,
            restart_after_idle: true,
            tail_loss_probes: false,
            notsent_lowat: u32::MAX,
            burst_min: 1,
            time_to_live: number("net.inet.ip.ttl", 64) as u8,
        }
    }
}

/// `name=value` lines, as `sysctl` takes them.
fn parse(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim().trim_matches('"');
        Some((name.trim().replace('/', "."), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// The first number in a setting.
fn first(text: Option<String>, or: u64) -> u64 {
    let text = text.unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(or)
}

/// Default and largest of a setting that has the least before them.
fn buffer(text: Option<String>, or: [u32; 2]) -> [u32; 2] {
    let text = text.unwrap_or_default();
    let numbers: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    if let [_, default, most] = numbers[..] { [default, most] } else { or }
}

/// How long `count` retransmissions take that start 200 ms apart and end two minutes apart.
fn retries(count: u64) -> Duration {
    let wait = |number: u64| (200_u64 << number.min(20)).min(120_000);
    Duration::from_millis((0..=count).map(wait).sum())
}

#[cfg(test)]
mod tests {
    use super::{Ecn, Settings, parse};
    use std::time::Duration;

    #[test]
    fn a_scripts_settings_go_before_the_defaults() {
        let set = parse("net.ipv4.tcp_rmem=4096 10000 20000\n# nothing\nnet/ipv4/tcp_ecn = 1\n");
        let linux = Settings::linux(&|name| set.get(&format!("net.ipv4.{name}")).cloned());
        assert_eq!(linux.receive, [10_000, 20_000]);
        assert_eq!(linux.ecn, Ecn::Always);
        assert_eq!(linux.syn_timeout, Duration::from_secs(63));
        assert_eq!(linux.user_timeout.as_millis(), 924_600);
    }

    #[test]
    fn freebsd_turns_scaling_and_timestamps_off_together() {
        let off = |name: &str| (name == "net.inet.tcp.rfc1323").then(|| "0".to_owned());
        let settings = Settings::freebsd(&off);
        assert!(!settings.timestamps && !settings.window_scaling && settings.sack);
        assert_eq!(settings.receive[0], 65_536);
    }
}
