//! The calls on sockets, without their waiting: a call that would have to wait gives [`Stop::Wait`]
//! and is made again when something has changed. Invariant: a call that gives it has changed
//! nothing but what it waits for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tcp::State;

use crate::connection::Connection;
use crate::options::Options;
use crate::settings::Settings;
use crate::world::{Listener, Outcome, Role, Socket, Stop, World};

const fn error<T>(number: i32) -> Outcome<T> {
    Err(Stop::Error(number))
}

impl World {
    /// Makes a socket of a descriptor.
    pub(crate) fn open(&mut self, fd: i32, domain: i32, nonblocking: bool) {
        let options = Options::new(Settings::read(&self.net.flags));
        let role = Role::Fresh;
        let socket = Socket { domain, nonblocking, bound: None, options, role, told: false };
        self.sockets.insert(fd, socket);
    }

    pub(crate) fn bind(&mut self, fd: i32, address: SocketAddr) -> Outcome<()> {
        let port = if address.port() == 0 { self.free_port() } else { address.port() };
        let taken = |other: &Socket| {
            matches!(other.role, Role::Listener(_))
                && other.bound.is_some_and(|bound| bound.port() == port)
        };
        if self.sockets.values().any(taken) {
            return error(libc::EADDRINUSE);
        }
        let socket = self.socket(fd)?;
        if socket.bound.is_some() {
            return error(libc::EINVAL);
        }
        socket.bound = Some(SocketAddr::new(address.ip(), port));
        Ok(())
    }

    pub(crate) fn listen(&mut self, fd: i32, backlog: i32) -> Outcome<()> {
        let port = self.free_port();
        let socket = self.socket(fd)?;
        let backlog = usize::try_from(backlog).unwrap_or(0);
        match &mut socket.role {
            Role::Listener(listener) => listener.backlog = backlog,
            Role::Fresh => {
                let any: IpAddr = match socket.domain {
                    libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
                    _ => Ipv6Addr::UNSPECIFIED.into(),
                };
                socket.bound.get_or_insert(SocketAddr::new(any, port));
                let ready = std::collections::VecDeque::new();
                socket.role = Role::Listener(Listener { backlog, ready, wakeups: 0 });
            }
            Role::Connection(_) => return error(libc::EINVAL),
        }
        Ok(())
    }

    /// Gives the connection that has waited longest and its peer.
    pub(crate) fn take_accepted(&mut self, fd: i32) -> Outcome<(u32, SocketAddr)> {
        let Role::Listener(listener) = &mut self.socket(fd)?.role else {
            return error(libc::EINVAL);
        };
        let id = listener.ready.pop_front().ok_or(Stop::Wait)?;
        let peer = self.connections.get(&id).map(|one| one.remote);
        peer.map(|peer| (id, peer)).ok_or(Stop::Wait)
    }

    /// Gives an accepted connection its descriptor.
    pub(crate) fn attach(&mut self, listener: i32, fd: i32, id: u32, nonblocking: bool) {
        let domain = self.sockets.get(&listener).map_or(libc::AF_INET, |socket| socket.domain);
        let Some(connection) = self.connections.get(&id) else { return };
        let socket = Socket {
            domain,
            nonblocking,
            bound: Some(connection.local),
            options: connection.options.clone(),
            role: Role::Connection(id),
            told: true,
        };
        self.sockets.insert(fd, socket);
    }

    /// Opens a connection, or says how that goes.
    pub(crate) fn connect(&mut self, fd: i32, remote: SocketAddr) -> Outcome<()> {
        match self.socket(fd)?.role {
            Role::Listener(_) => error(libc::EISCONN),
            Role::Fresh => {
                self.start_connecting(fd, remote)?;
                Err(Stop::Wait)
            }
            Role::Connection(_) => {
                let linux = self.net.is_linux();
                let told = self.socket(fd)?.told;
                let Some((connection, _)) = self.connection(fd)? else {
                    return error(libc::ECONNABORTED);
                };
                let pending = connection.error.take();
                if let Some(number) = pending {
                    return error(number);
                }
                if connection.over {
                    return error(libc::ECONNABORTED);
                }
                if !connection.established {
                    return Err(Stop::Wait);
                }
                self.socket(fd)?.told = true;
                if told || !linux { error(libc::EISCONN) } else { Ok(()) }
            }
        }
    }

    /// Whether a `connect` of this socket is under way.
    pub(crate) fn is_connecting(&mut self, fd: i32) -> bool {
        let under_way = |connection: &Connection| !connection.established && !connection.over;
        matches!(self.connection(fd), Ok(Some((connection, _))) if under_way(connection))
    }

    fn start_connecting(&mut self, fd: i32, remote: SocketAddr) -> Outcome<()> {
        let port = self.free_port();
        let socket = self.socket(fd)?;
        let own = World::own_address(remote.ip());
        let bound = socket.bound.unwrap_or(SocketAddr::new(own, port));
        let address = if bound.ip().is_unspecified() { own } else { bound.ip() };
        let local = SocketAddr::new(address, bound.port());
        socket.bound = Some(local);
        let options = socket.options.clone();
        let iss = self.sequence(local, remote);
        let mut connection = Connection::new((local, remote), options, &self.net, true);
        connection.connect(&mut self.net, iss);
        let id = self.add(connection);
        self.socket(fd)?.role = Role::Connection(id);
        Ok(())
    }

    /// `connect` with AF_UNSPEC: the socket is as it was when it was made.
    pub(crate) fn disconnect(&mut self, fd: i32) -> Outcome<()> {
        let socket = self.socket(fd)?;
        let role = std::mem::replace(&mut socket.role, Role::Fresh);
        socket.bound = None;
        socket.told = false;
        if let Role::Connection(id) = role
            && let Some(mut connection) = self.connections.remove(&id)
        {
            if !connection.over && connection.time_wait.is_none() {
                connection.abort(&mut self.net);
            }
            self.socket(fd)?.options = connection.options;
        }
        Ok(())
    }

    /// Gives up to `most` bytes that arrived; none at the end of them.
    pub(crate) fn read(&mut self, fd: i32, most: usize, flags: i32) -> Outcome<Vec<u8>> {
        let Some((connection, net)) = self.connection(fd)? else {
            return error(libc::ENOTCONN);
        };
        let available = connection.input.len();
        let ended = connection.input.ended || connection.receive_shut || connection.over;
        let all = flags & libc::MSG_WAITALL != 0;
        let enough = if all { most } else { (connection.options.receive_low as usize).min(most) };
        if available > 0 && (available >= enough || ended) {
            let peek = flags & libc::MSG_PEEK != 0;
            let bytes = connection.input.take(most, peek);
            if !peek && !connection.over {
                connection.consumed(net, bytes.len());
            }
            return Ok(bytes);
        }
        if let Some(number) = connection.error.take() {
            return error(number);
        }
        if ended { Ok(Vec::new()) } else { Err(Stop::Wait) }
    }

    /// Takes as many of the bytes as there is room for.
    pub(crate) fn write(&mut self, fd: i32, bytes: &[u8], flags: i32) -> Outcome<usize> {
        let unconnected = if self.net.is_linux() { libc::EPIPE } else { libc::ENOTCONN };
        let Some((connection, net)) = self.connection(fd)? else {
            return error(unconnected);
        };
        if let Some(number) = connection.error.take() {
            return error(number);
        }
        if connection.send_shut || connection.over {
            return error(libc::EPIPE);
        }
        if !connection.established {
            return Err(Stop::Wait);
        }
        let more = flags & libc::MSG_MORE != 0;
        let taken = connection.write(net, bytes, more);
        if taken == 0 && !bytes.is_empty() {
            return Err(Stop::Wait);
        }
        Ok(taken)
    }

    /// Whether a writer that found no room can go on: half of the buffer is free, or all is over.
    pub(crate) fn may_write(&mut self, fd: i32) -> bool {
        match self.connection(fd) {
            Ok(Some((one, net))) => {
                one.over || one.send_shut || one.error.is_some() || one.has_space(net)
            }
            _ => true,
        }
    }

    pub(crate) fn shut_down(&mut self, fd: i32, how: i32) -> Outcome<()> {
        if !matches!(how, libc::SHUT_RD | libc::SHUT_WR | libc::SHUT_RDWR) {
            return error(libc::EINVAL);
        }
        if let Role::Listener(_) = self.socket(fd)?.role {
            return self.stop_listening(fd);
        }
        let Some((connection, net)) = self.connection(fd)? else {
            return error(libc::ENOTCONN);
        };
        if connection.over || (!connection.established && !connection.working.opened()) {
            return error(libc::ENOTCONN);
        }
        if how != libc::SHUT_WR {
            connection.receive_shut = true;
            connection.wakeups.input += 1;
        }
        if how != libc::SHUT_RD && !connection.send_shut {
            connection.finish(net);
            if let Role::Connection(id) = self.socket(fd)?.role {
                self.settle(id);
            }
        }
        Ok(())
    }

    /// Ends all that waits to be accepted.
    fn stop_listening(&mut self, fd: i32) -> Outcome<()> {
        let role = std::mem::replace(&mut self.socket(fd)?.role, Role::Fresh);
        let Role::Listener(listener) = role else { return Ok(()) };
        for id in listener.ready {
            if let Some(mut connection) = self.connections.remove(&id)
                && !connection.over
            {
                connection.abort(&mut self.net);
            }
        }
        self.connections.retain(|_, connection| connection.listener != Some(fd));
        Ok(())
    }

    /// The descriptor is gone. Gives the connection that is left to end by itself, and for how long
    /// the caller wants to wait for that.
    pub(crate) fn close(&mut self, fd: i32) -> Outcome<Option<(u32, u32)>> {
        self.stop_listening_if_any(fd)?;
        let socket = self.sockets.remove(&fd).ok_or(Stop::Error(libc::EBADF))?;
        for epoll in self.epolls.values_mut() {
            epoll.forget(fd);
        }
        let Role::Connection(id) = socket.role else { return Ok(None) };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(None) };
        connection.detached = true;
        let linger = connection.options.linger;
        let unread = connection.input.len() > 0;
        if connection.over || connection.time_wait.is_some() {
            // Nothing is left to be told.
        } else if !connection.established && connection.working.state() == State::SynSent {
            connection.over = true;
        } else if unread || linger == Some(0) {
            // What nobody read is lost, and the peer is to know (RFC 2525 section 2.17).
            connection.abort(&mut self.net);
        } else if connection.send_shut {
            connection.flush(&mut self.net);
        } else {
            connection.finish(&mut self.net);
        }
        self.settle(id);
        let waits = linger.filter(|seconds| *seconds > 0 && self.is_lingering(id));
        Ok(waits.map(|seconds| (id, seconds)))
    }

    fn stop_listening_if_any(&mut self, fd: i32) -> Outcome<()> {
        match self.socket(fd)?.role {
            Role::Listener(_) => self.stop_listening(fd),
            _ => Ok(()),
        }
    }

    /// Whether a connection that was closed still has something to be acknowledged.
    pub(crate) fn is_lingering(&self, id: u32) -> bool {
        let lingers =
            |state: State| matches!(state, State::FinWait1 | State::Closing | State::LastAck);
        self.connections.get(&id).is_some_and(|one| lingers(one.state()) && !one.over)
    }
}
