//! The calls with their waiting, in terms of values: what [`crate::interface`] makes of C's pointers
//! and makes C's results of. Invariant: an error is an error number, and nothing here is unsafe.

use std::time::Duration;

use crate::address;
use crate::descriptor;
use crate::shared::{Patience, Shared};
use crate::world::{Role, Stop, World};

pub(crate) type Answer<T> = Result<T, i32>;

impl Shared {
    /// Whether a descriptor is one of ours.
    pub(crate) fn owns(&self, fd: i32) -> bool {
        self.look(|world| world.sockets.contains_key(&fd) || world.epolls.contains_key(&fd))
    }

    pub(crate) fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Answer<i32> {
        if !matches!(domain, libc::AF_INET | libc::AF_INET6) {
            return Err(libc::EAFNOSUPPORT);
        }
        let stream = kind & 0xf == libc::SOCK_STREAM;
        if !stream || !matches!(protocol, 0 | libc::IPPROTO_TCP) {
            return Err(libc::EPROTONOSUPPORT);
        }
        let fd = descriptor::open()?;
        self.now(|world| {
            world.open(fd, domain, kind & libc::SOCK_NONBLOCK != 0);
            Ok(fd)
        })
    }

    pub(crate) fn bind(&self, fd: i32, address: &[u8]) -> Answer<()> {
        let address = address::parse(address).ok_or(libc::EINVAL)?;
        self.now(|world| world.bind(fd, address))
    }

    /// Gives the descriptor and the peer's address.
    pub(crate) fn accept(&self, fd: i32) -> Answer<(i32, Vec<u8>)> {
        let patience = |world: &mut World| receive_patience(world, fd, 0);
        let (id, peer) = self.call(patience, |world| world.take_accepted(fd))?;
        let accepted = descriptor::open()?;
        let domain = self.look(|world| {
            world.attach(fd, accepted, id, false);
            world.sockets.get(&fd).map_or(libc::AF_INET, |socket| socket.domain)
        });
        Ok((accepted, address::write(peer, domain)))
    }

    pub(crate) fn connect(&self, fd: i32, address: &[u8]) -> Answer<()> {
        if address::family(address) == Some(libc::AF_UNSPEC) {
            return self.now(|world| world.disconnect(fd));
        }
        let remote = address::parse(address).ok_or(libc::EINVAL)?;
        let started = self.look(|world| world.is_connecting(fd));
        let patience = |world: &mut World| {
            let nonblocking = world.socket(fd).is_ok_and(|socket| socket.nonblocking);
            let refusal = if started { libc::EALREADY } else { libc::EINPROGRESS };
            let timeout = world.options(fd).ok().and_then(|options| options.send_timeout);
            Patience { refusal: nonblocking.then_some(refusal), timeout, expiry: libc::EINPROGRESS }
        };
        self.call(patience, |world| world.connect(fd, remote))
    }

    pub(crate) fn receive(&self, fd: i32, most: usize, flags: i32) -> Answer<Vec<u8>> {
        if flags & libc::MSG_ERRQUEUE != 0 {
            // No error queue is kept.
            return Err(libc::EAGAIN);
        }
        let patience = |world: &mut World| receive_patience(world, fd, flags);
        self.call(patience, |world| world.read(fd, most, flags))
    }

    /// Bytes that could be read now, as TCP_INQ counts them; None when that was not asked for.
    pub(crate) fn queued(&self, fd: i32) -> Option<i32> {
        self.look(|world| {
            let Ok(Some((connection, _))) = world.connection(fd) else { return None };
            let length = connection.input.len() as i32;
            let end = i32::from(length == 0 && connection.input.ended);
            connection.options.tell_queued.then_some(length + end)
        })
    }

    pub(crate) fn send(&self, fd: i32, bytes: &[u8], flags: i32) -> Answer<usize> {
        if flags & libc::MSG_FASTOPEN != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        let nonblocking = self.look(|world| {
            let socket = world.socket(fd).is_ok_and(|socket| socket.nonblocking);
            socket || flags & libc::MSG_DONTWAIT != 0
        });
        let (mut sent, mut waited) = (0, false);
        let patience = |world: &mut World| {
            let timeout = world.options(fd).ok().and_then(|options| options.send_timeout);
            Patience::of(nonblocking, timeout)
        };
        let outcome = self.call(patience, |world| {
            if std::mem::replace(&mut waited, true) && !world.may_write(fd) {
                return Err(Stop::Wait);
            }
            sent += world.write(fd, &bytes[sent..], flags)?;
            if sent == bytes.len() { Ok(sent) } else { Err(Stop::Wait) }
        });
        // What was taken was taken, whatever became of the rest.
        if sent > 0 { Ok(sent) } else { outcome }
    }

    pub(crate) fn close(&self, fd: i32) -> Answer<()> {
        if self.now(|world| Ok(world.epolls.remove(&fd).is_some()))? {
            descriptor::close(fd);
            return Ok(());
        }
        let nonblocking = self.look(|world| world.socket(fd).is_ok_and(|one| one.nonblocking));
        let lingers = self.now(|world| world.close(fd))?;
        descriptor::close(fd);
        if let Some((id, seconds)) = lingers.filter(|_| !nonblocking) {
            let timeout = Some(Duration::from_secs(seconds.into()));
            let patience = |_: &mut World| Patience { refusal: None, timeout, expiry: 0 };
            let done = |world: &mut World| match world.is_lingering(id) {
                true => Err(Stop::Wait),
                false => Ok(()),
            };
            // However that ends, the descriptor is closed.
            let _ = self.call(patience, done);
        }
        Ok(())
    }

    pub(crate) fn fcntl(&self, fd: i32, command: i32, argument: i32) -> Answer<i32> {
        self.now(|world| {
            let socket = world.socket(fd)?;
            match command {
                libc::F_GETFL => {
                    Ok(libc::O_RDWR | if socket.nonblocking { libc::O_NONBLOCK } else { 0 })
                }
                libc::F_SETFL => {
                    socket.nonblocking = argument & libc::O_NONBLOCK != 0;
                    Ok(0)
                }
                libc::F_GETFD | libc::F_SETFD => Ok(0),
                _ => Err(Stop::Error(libc::EINVAL)),
            }
        })
    }

    /// The requests that give a number.
    pub(crate) fn ioctl(&self, fd: i32, request: u64) -> Answer<i32> {
        self.now(|world| {
            if let Role::Listener(_) = world.socket(fd)?.role {
                return Err(Stop::Error(libc::EINVAL));
            }
            let Some((connection, _)) = world.connection(fd)? else { return Ok(0) };
            match request {
                libc::FIONREAD => Ok(connection.input.len() as i32),
                libc::TIOCOUTQ => Ok(connection.output.len() as i32),
                SIOCOUTQNSD => Ok(connection.unsent() as i32),
                _ => Err(Stop::Error(libc::ENOTTY)),
            }
        })
    }

    /// Gives what is ready of each; zero for none in time.
    pub(crate) fn poll(&self, wanted: &[(i32, i16)], millis: i32) -> Answer<Vec<i16>> {
        let ready = |world: &mut World| {
            let mut found = Vec::with_capacity(wanted.len());
            for (fd, events) in wanted {
                found.push(match world.poll(*fd, *events) {
                    Ok(ready) => ready,
                    Err(_) if *fd < 0 => 0,
                    Err(_) => libc::POLLNVAL,
                });
            }
            if found.iter().any(|ready| *ready != 0) { Ok(found) } else { Err(Stop::Wait) }
        };
        match self.call(|_: &mut World| waits(millis), ready) {
            Err(0) => Ok(vec![0; wanted.len()]),
            outcome => outcome,
        }
    }

    pub(crate) fn epoll_create(&self) -> Answer<i32> {
        let fd = descriptor::open()?;
        self.now(|world| {
            world.epolls.insert(fd, crate::epoll::Epoll::default());
            Ok(fd)
        })
    }

    pub(crate) fn epoll_wait(&self, set: i32, most: i32, millis: i32) -> Answer<Vec<(u32, u64)>> {
        let most = usize::try_from(most).ok().filter(|most| *most > 0).ok_or(libc::EINVAL)?;
        match self.call(|_: &mut World| waits(millis), |world| world.epoll_take(set, most)) {
            Err(0) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// Between a socket and a pipe.
    pub(crate) fn splice(&self, from: i32, to: i32, most: usize, flags: u32) -> Answer<usize> {
        let wait = if flags & libc::SPLICE_F_NONBLOCK != 0 { libc::MSG_DONTWAIT } else { 0 };
        match (self.owns(from), self.owns(to)) {
            (true, false) => {
                let bytes = self.receive(from, most, wait)?;
                if bytes.is_empty() { Ok(0) } else { descriptor::write(to, &bytes) }
            }
            (false, true) => {
                let bytes = descriptor::read(from, most)?;
                let more = if flags & libc::SPLICE_F_MORE != 0 { libc::MSG_MORE } else { 0 };
                self.send(to, &bytes, wait | more)
            }
            _ => Err(libc::EINVAL),
        }
    }
}

const SIOCOUTQNSD: u64 = 0x894b;

fn receive_patience(world: &mut World, fd: i32, flags: i32) -> Patience {
    let nonblocking = world.socket(fd).is_ok_and(|socket| socket.nonblocking);
    let timeout = world.options(fd).ok().and_then(|options| options.receive_timeout);
    Patience::of(nonblocking || flags & libc::MSG_DONTWAIT != 0, timeout)
}

/// How `poll` and `epoll_wait` wait: an expiry is no error.
fn waits(millis: i32) -> Patience {
    let timeout = u64::try_from(millis).ok().map(Duration::from_millis);
    let refusal = (millis == 0).then_some(0);
    Patience { refusal, timeout, expiry: 0 }
}
