//! getsockopt and setsockopt. Invariant: what is set acts on the connection at once; an option that
//! would not act is refused.

use std::time::Duration;

use tcp::Algorithm;

use crate::connection::Connection;
use crate::info;
use crate::world::{Outcome, Role, Stop, World};

/// TCP_NOTSENT_LOWAT, TCP_CC_INFO and TCP_INQ, which libc does not have.
const TCP_NOTSENT_LOWAT: i32 = 25;
const TCP_CC_INFO: i32 = 26;
const TCP_INQ: i32 = 36;
const IP_MTU: i32 = 14;
/// SO_MEMINFO, and how many numbers it gives: packetdrill asks for it with every assertion.
const SO_MEMINFO: i32 = 55;
const MEMINFO_NUMBERS: usize = 9;
/// Least buffers that Linux lets one set.
const SEND_BUFFER_MIN: u32 = 4_608;
const RECEIVE_BUFFER_MIN: u32 = 2_304;

const fn refused<T>() -> Outcome<T> {
    Err(Stop::Error(libc::ENOPROTOOPT))
}

const fn invalid<T>() -> Outcome<T> {
    Err(Stop::Error(libc::EINVAL))
}

/// The 32-bit number at the start of a value.
fn number(value: &[u8]) -> Outcome<i32> {
    value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or(Stop::Error(libc::EINVAL))
}

/// A number that must be between `least` and `most`.
fn between(value: &[u8], least: i32, most: i32) -> Outcome<i32> {
    let number = number(value)?;
    if (least..=most).contains(&number) { Ok(number) } else { invalid() }
}

fn seconds(value: &[u8], most: i32) -> Outcome<Duration> {
    between(value, 1, most).map(|count| Duration::from_secs(count.unsigned_abs().into()))
}

impl World {
    pub(crate) fn set_option(
        &mut self,
        fd: i32,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Outcome<()> {
        match level {
            libc::SOL_SOCKET => self.set_socket_option(fd, name, value)?,
            libc::SOL_TCP => self.set_tcp_option(fd, name, value)?,
            libc::SOL_IP | libc::SOL_IPV6 => self.set_ip_option(fd, level, name, value)?,
            _ => return refused(),
        }
        if let Some((connection, net)) = self.connection(fd)? {
            connection.refresh(net);
            if !connection.over && connection.time_wait.is_none() {
                connection.flush(net);
            }
        }
        Ok(())
    }

    fn set_socket_option(&mut self, fd: i32, name: i32, value: &[u8]) -> Outcome<()> {
        let linux = self.net.is_linux();
        let now = self.net.now;
        let options = self.options(fd)?;
        // Linux doubles what it is told, for its bookkeeping.
        let buffer = |least: u32| {
            let bytes = number(value)?.unsigned_abs().min(1 << 29);
            Ok(if linux { (2 * bytes).max(least) } else { bytes })
        };
        match name {
            libc::SO_RCVBUF => {
                options.receive_buffer = buffer(RECEIVE_BUFFER_MIN)?;
                options.receive_fixed = true;
            }
            libc::SO_SNDBUF => {
                options.send_buffer = buffer(SEND_BUFFER_MIN)?;
                options.send_fixed = true;
            }
            libc::SO_LINGER => {
                let on = number(value)? != 0;
                let length = number(value.get(4..).unwrap_or_default())?;
                options.linger = on.then_some(length.unsigned_abs());
            }
            libc::SO_KEEPALIVE => {
                options.keep_alive = number(value)? != 0;
                if let Some((connection, _)) = self.connection(fd)? {
                    connection.heard = connection.heard.max(now);
                }
            }
            libc::SO_REUSEADDR => options.reuse_address = number(value)? != 0,
            libc::SO_REUSEPORT => options.reuse_port = number(value)? != 0,
            libc::SO_RCVLOWAT => {
                options.receive_low = between(value, 0, i32::MAX)?.unsigned_abs().max(1);
            }
            libc::SO_RCVTIMEO => options.receive_timeout = time(value)?,
            libc::SO_SNDTIMEO => options.send_timeout = time(value)?,
            _ => return refused(),
        }
        Ok(())
    }

    fn set_tcp_option(&mut self, fd: i32, name: i32, value: &[u8]) -> Outcome<()> {
        let options = self.options(fd)?;
        match name {
            libc::TCP_NODELAY => {
                options.no_delay = number(value)? != 0;
                if options.no_delay {
                    self.push(fd)?;
                }
            }
            libc::TCP_CORK => {
                options.cork = number(value)? != 0;
                if !options.cork {
                    self.push(fd)?;
                }
            }
            libc::TCP_MAXSEG => options.max_segment = Some(between(value, 88, 32_767)? as u16),
            libc::TCP_KEEPIDLE => options.keep.idle = seconds(value, 32_767)?,
            libc::TCP_KEEPINTVL => options.keep.interval = seconds(value, 32_767)?,
            libc::TCP_KEEPCNT => options.keep.probes = between(value, 1, 127)? as u8,
            libc::TCP_SYNCNT => {
                options.syn_retries = Some(between(value, 1, 127)?.unsigned_abs());
            }
            libc::TCP_LINGER2 => options.fin_wait_2 = seconds(value, 3_600)?,
            libc::TCP_DEFER_ACCEPT => options.defer_accept = number(value)?.unsigned_abs(),
            libc::TCP_WINDOW_CLAMP => {
                options.window_clamp =
                    Some(between(value, 0, i32::MAX)?.unsigned_abs()).filter(|clamp| *clamp > 0);
            }
            libc::TCP_QUICKACK => {
                options.quick_ack = Some(number(value)? != 0);
                if options.quick_ack == Some(true)
                    && let Some((connection, _)) = self.connection(fd)?
                {
                    connection.working.acknowledge_now();
                }
            }
            libc::TCP_USER_TIMEOUT => {
                let millis = between(value, 0, i32::MAX)?.unsigned_abs();
                options.user_timeout =
                    (millis > 0).then(|| Duration::from_millis(u64::from(millis)));
            }
            TCP_NOTSENT_LOWAT => options.notsent_lowat = number(value)? as u32,
            TCP_INQ => options.tell_queued = between(value, 0, 1)? == 1,
            libc::TCP_CONGESTION => {
                let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
                options.algorithm = match name {
                    b"cubic" => Algorithm::Cubic,
                    b"reno" | b"newreno" => Algorithm::NewReno,
                    _ => return Err(Stop::Error(libc::ENOENT)),
                };
                let algorithm = options.algorithm;
                if let Some((connection, _)) = self.connection(fd)? {
                    connection.working.set_algorithm(algorithm);
                }
            }
            _ => return refused(),
        }
        Ok(())
    }

    /// What was held back goes out.
    fn push(&mut self, fd: i32) -> Outcome<()> {
        if let Some((connection, net)) = self.connection(fd)?
            && !connection.over
            && connection.established
        {
            connection.refresh(net);
            connection.release();
            connection.flush(net);
        }
        Ok(())
    }

    fn set_ip_option(&mut self, fd: i32, level: i32, name: i32, value: &[u8]) -> Outcome<()> {
        let options = self.options(fd)?;
        // One byte will do.
        let byte = match value {
            [one] => i32::from(*one),
            _ => number(value)?,
        };
        match (level, name) {
            (libc::SOL_IP, libc::IP_TOS) | (libc::SOL_IPV6, libc::IPV6_TCLASS) => {
                options.class = byte as u8 & 0xfc;
            }
            (libc::SOL_IP, libc::IP_TTL) | (libc::SOL_IPV6, libc::IPV6_UNICAST_HOPS) => {
                let default = options.settings.time_to_live;
                options.time_to_live = if byte == -1 { default } else { byte as u8 };
            }
            // Packets are sent with DF as it is; nothing else is done.
            (libc::SOL_IP, libc::IP_MTU_DISCOVER) if byte == libc::IP_PMTUDISC_DO => {}
            (libc::SOL_IPV6, libc::IPV6_V6ONLY) => {}
            // Any address can be bound as it is.
            (libc::SOL_IP, libc::IP_FREEBIND) => {}
            _ => return refused(),
        }
        Ok(())
    }

    /// The value of an option, in full length.
    pub(crate) fn get_option(&mut self, fd: i32, level: i32, name: i32) -> Outcome<Vec<u8>> {
        let number = match level {
            libc::SOL_SOCKET => return self.get_socket_option(fd, name),
            libc::SOL_TCP => return self.get_tcp_option(fd, name),
            libc::SOL_IP | libc::SOL_IPV6 => self.get_ip_option(fd, level, name)?,
            _ => return refused(),
        };
        Ok(number.to_ne_bytes().to_vec())
    }

    fn get_socket_option(&mut self, fd: i32, name: i32) -> Outcome<Vec<u8>> {
        let socket = self.socket(fd)?;
        let (domain, listens) = (socket.domain, matches!(socket.role, Role::Listener(_)));
        let options = self.options(fd)?;
        let value = match name {
            libc::SO_RCVBUF => options.receive_buffer as i32,
            libc::SO_SNDBUF => options.send_buffer as i32,
            libc::SO_KEEPALIVE => options.keep_alive.into(),
            libc::SO_REUSEADDR => options.reuse_address.into(),
            libc::SO_REUSEPORT => options.reuse_port.into(),
            libc::SO_RCVLOWAT => options.receive_low as i32,
            libc::SO_TYPE => libc::SOCK_STREAM,
            libc::SO_PROTOCOL => libc::IPPROTO_TCP,
            libc::SO_DOMAIN => domain,
            libc::SO_ACCEPTCONN => listens.into(),
            libc::SO_LINGER => {
                let (on, length) = (options.linger.is_some(), options.linger.unwrap_or(0));
                return Ok([i32::from(on).to_ne_bytes(), length.to_ne_bytes()].concat());
            }
            SO_MEMINFO => return self.memory_info(fd),
            libc::SO_RCVTIMEO => return Ok(timeval(options.receive_timeout)),
            libc::SO_SNDTIMEO => return Ok(timeval(options.send_timeout)),
            libc::SO_ERROR => {
                let connection = self.connection(fd)?;
                connection.and_then(|(one, _)| one.error.take()).unwrap_or(0)
            }
            _ => return refused(),
        };
        Ok(value.to_ne_bytes().to_vec())
    }

    /// What Linux counts for a socket: bytes received, room for them, bytes being sent, room for
    /// them, and bytes queued for sending at the sixth place.
    fn memory_info(&mut self, fd: i32) -> Outcome<Vec<u8>> {
        let mut numbers = [0_u32; MEMINFO_NUMBERS];
        let options = self.options(fd)?;
        (numbers[1], numbers[3]) = (options.receive_buffer, options.send_buffer);
        if let Some((connection, _)) = self.connection(fd)? {
            numbers[0] = connection.input.len() as u32;
            numbers[5] = connection.output.len() as u32;
        }
        Ok(numbers.map(u32::to_ne_bytes).concat())
    }

    fn get_tcp_option(&mut self, fd: i32, name: i32) -> Outcome<Vec<u8>> {
        let now = self.net.now;
        let listens = matches!(self.socket(fd)?.role, Role::Listener(_));
        let mss = |one: &Connection| i32::from(one.working.mss());
        let connected = self.connection(fd)?.map(|(one, _)| mss(one)).filter(|mss| *mss > 0);
        let options = self.options(fd)?;
        let whole = |span: Duration| span.as_secs() as i32;
        let value = match name {
            libc::TCP_INFO => {
                return Ok(match self.connection(fd)? {
                    Some((connection, net)) => connection.tcp_info(now, net.is_linux()),
                    None => info::unconnected(listens),
                });
            }
            libc::TCP_CONGESTION => {
                let name: &[u8] = match options.algorithm {
                    Algorithm::Cubic => b"cubic",
                    Algorithm::NewReno => b"reno",
                };
                let mut padded = name.to_vec();
                padded.resize(16, 0);
                return Ok(padded);
            }
            TCP_CC_INFO => return Ok(Vec::new()),
            libc::TCP_NODELAY => options.no_delay.into(),
            libc::TCP_CORK => options.cork.into(),
            libc::TCP_MAXSEG => connected.unwrap_or(options.max_segment.unwrap_or(536).into()),
            libc::TCP_KEEPIDLE => whole(options.keep.idle),
            libc::TCP_KEEPINTVL => whole(options.keep.interval),
            libc::TCP_KEEPCNT => options.keep.probes.into(),
            libc::TCP_SYNCNT => options.syn_retries.unwrap_or(5) as i32,
            libc::TCP_LINGER2 => whole(options.fin_wait_2),
            libc::TCP_DEFER_ACCEPT => options.defer_accept as i32,
            libc::TCP_WINDOW_CLAMP => options.window_clamp.unwrap_or(0) as i32,
            libc::TCP_QUICKACK => options.quick_ack.unwrap_or(true).into(),
            libc::TCP_USER_TIMEOUT => {
                options.user_timeout.map_or(0, |span| span.as_millis() as i32)
            }
            TCP_NOTSENT_LOWAT => options.notsent_lowat as i32,
            TCP_INQ => options.tell_queued.into(),
            _ => return refused(),
        };
        Ok(value.to_ne_bytes().to_vec())
    }

    fn get_ip_option(&mut self, fd: i32, level: i32, name: i32) -> Outcome<i32> {
        let mtu = self.net.flags.mtu_v4;
        let options = self.options(fd)?;
        match (level, name) {
            (libc::SOL_IP, libc::IP_TOS) | (libc::SOL_IPV6, libc::IPV6_TCLASS) => {
                Ok(options.class.into())
            }
            (libc::SOL_IP, libc::IP_TTL) | (libc::SOL_IPV6, libc::IPV6_UNICAST_HOPS) => {
                Ok(options.time_to_live.into())
            }
            (libc::SOL_IP, IP_MTU) => Ok(mtu.into()),
            _ => refused(),
        }
    }
}

/// A `struct timeval` as a time limit; zero is none.
fn time(value: &[u8]) -> Outcome<Option<Duration>> {
    let part = |at: usize| value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    let (Some(seconds), Some(micros)) = (part(0), part(8)) else { return invalid() };
    let seconds = u64::try_from(i64::from_ne_bytes(seconds)).unwrap_or(0);
    let micros = u64::try_from(i64::from_ne_bytes(micros)).unwrap_or(0);
    let span = Duration::from_secs(seconds) + Duration::from_micros(micros);
    Ok(Some(span).filter(|span| !span.is_zero()))
}

fn timeval(span: Option<Duration>) -> Vec<u8> {
    let span = span.unwrap_or_default();
    let parts = [span.as_secs() as i64, i64::from(span.subsec_micros())];
    parts.map(i64::to_ne_bytes).concat()
}
