//! A script's calls, made through the table of functions as packetdrill makes them. Invariant: every
//! argument lives until its call has returned.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::net::SocketAddr;

use crore_packetdrill::Table;

use crate::script::Call;
use crate::value::Value;

/// What a call gave.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub result: i64,
    pub errno: i32,
}

/// The descriptors of a script and those behind them.
pub type Descriptors = HashMap<i64, c_int>;

/// A table that goes to another thread: its functions can be called from any.
#[derive(Clone, Copy)]
pub struct Handle(pub Table);
// SAFETY: the instance behind the table is `Sync`; the functions only borrow it.
unsafe impl Send for Handle {}

/// A call with its descriptor translated: (name, arguments, descriptors).
pub struct Caller {
    pub table: Handle,
    pub descriptors: Descriptors,
    pub server: SocketAddr,
    pub any: SocketAddr,
    pub domain: c_int,
}

/// Results of calls, which are of two widths.
trait Wide {
    fn wide(self) -> i64;
}

impl Wide for c_int {
    fn wide(self) -> i64 {
        self.into()
    }
}

impl Wide for isize {
    fn wide(self) -> i64 {
        self as i64
    }
}

macro_rules! call {
    ($caller:expr, $function:ident $(, $argument:expr)*) => {{
        let table = &$caller.table.0;
        // SAFETY: the arguments are as the function's manual page wants them.
        unsafe { (table.$function)(table.userdata $(, $argument)*) }.wide()
    }};
}

impl Caller {
    fn fd(&self, value: &Value) -> Result<c_int, String> {
        let number = value.number()?;
        self.descriptors.get(&number).copied().ok_or_else(|| format!("no descriptor {number}"))
    }

    /// Makes a call. New descriptors are to be noted by the caller.
    pub fn make(&self, call: &Call) -> Result<Given, String> {
        let arguments = &call.arguments;
        let number = |index: usize| -> Result<i64, String> {
            arguments.get(index).ok_or("too few arguments")?.number()
        };
        let first = || self.fd(arguments.first().ok_or("too few arguments")?);
        let result = match call.name.as_str() {
            "socket" => call!(self, socket, self.domain, number(1)? as c_int, number(2)? as c_int),
            "bind" => {
                let at = sockaddr(self.any);
                call!(self, bind, first()?, at.as_ptr().cast(), at.len() as u32)
            }
            "listen" => call!(self, listen, first()?, number(1)? as c_int),
            "accept" => {
                let (mut peer, mut length) = ([0_u8; 128], 128);
                call!(self, accept, first()?, peer.as_mut_ptr().cast(), &raw mut length)
            }
            "connect" => {
                let to = sockaddr(self.server);
                call!(self, connect, first()?, to.as_ptr().cast(), to.len() as u32)
            }
            "read" | "recv" => self.receive(call, first()?, number(2)? as usize)?,
            "write" | "send" => {
                let (bytes, fd) = (vec![0_u8; number(2)? as usize], first()?);
                let start = bytes.as_ptr().cast();
                match call.name.as_str() {
                    "write" => call!(self, write, fd, start, bytes.len()),
                    _ => call!(self, send, fd, start, bytes.len(), number(3)? as c_int),
                }
            }
            "writev" => self.writev(first()?, &arguments[1])?,
            "sendmsg" => self.sendmsg(first()?, &arguments[1], number(2)? as c_int)?,
            "recvmsg" => self.recvmsg(first()?, &arguments[1])?,
            "fcntl" => {
                let argument = if arguments.len() > 2 { number(2)? } else { 0 };
                call!(self, fcntl, first()?, number(1)? as c_int, argument as c_int)
            }
            "ioctl" => {
                let mut value = -1;
                let result = call!(self, ioctl, first()?, number(1)? as u64, &raw mut value);
                expect("ioctl", number(2)?, i64::from(value))?;
                result
            }
            "close" => call!(self, close, first()?),
            "shutdown" => call!(self, shutdown, first()?, number(1)? as c_int),
            "getsockopt" => self.get_option(first()?, number(1)?, number(2)?, arguments)?,
            "setsockopt" => self.set_option(first()?, number(1)?, number(2)?, arguments)?,
            "poll" => self.poll(&arguments[0], number(2)? as c_int)?,
            "epoll_create" => call!(self, epoll_create, 1),
            "epoll_ctl" => {
                let (mut event, fd) = (self.event(&arguments[3])?, self.fd(&arguments[2])?);
                call!(self, epoll_ctl, first()?, number(1)? as c_int, fd, &raw mut event)
            }
            "epoll_wait" => self.epoll_wait(first()?, &arguments[1], number(3)? as c_int)?,
            other => return Err(format!("{other} is not understood")),
        };
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        Ok(Given { result, errno })
    }

    fn receive(&self, call: &Call, fd: c_int, most: usize) -> Result<i64, String> {
        let mut bytes = vec![1_u8; most];
        let start = bytes.as_mut_ptr().cast();
        Ok(match call.name.as_str() {
            "read" => call!(self, read, fd, start, most),
            _ => call!(self, recv, fd, start, most, call.arguments[3].number()? as c_int),
        })
    }

    fn writev(&self, fd: c_int, pieces: &Value) -> Result<i64, String> {
        let lengths = lengths(pieces)?;
        let buffers: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
        let vectors: Vec<libc::iovec> = buffers
            .iter()
            .map(|bytes| libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            })
            .collect();
        Ok(call!(self, writev, fd, vectors.as_ptr(), vectors.len() as c_int))
    }

    fn sendmsg(&self, fd: c_int, message: &Value, flags: c_int) -> Result<i64, String> {
        let lengths = lengths(message.field("msg_iov").ok_or("no msg_iov")?)?;
        let bytes = vec![0_u8; lengths.iter().sum()];
        let mut piece =
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: all its fields may be zero.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut piece;
        header.msg_iovlen = 1;
        Ok(call!(self, sendmsg, fd, &raw const header, flags))
    }

    fn recvmsg(&self, fd: c_int, message: &Value) -> Result<i64, String> {
        let lengths = lengths(message.field("msg_iov").ok_or("no msg_iov")?)?;
        let mut bytes = vec![0_u8; lengths.iter().sum()];
        let mut piece = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut control = [0_u64; 16];
        // SAFETY: all its fields may be zero.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut piece;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        let result = call!(self, recvmsg, fd, &raw mut header, 0);
        let wanted = message.field("msg_control").map_or(&[][..], Value::list);
        let data = wanted.first().and_then(|one| one.field("cmsg_data"));
        if let Some(data) = data {
            // SAFETY: the control part is what recvmsg left of `control`.
            let given = unsafe {
                let first = libc::CMSG_FIRSTHDR(&raw const header);
                if first.is_null() {
                    return Err("no control message".into());
                }
                libc::CMSG_DATA(first).cast::<i32>().read_unaligned()
            };
            expect("cmsg_data", data.number()?, given.into())?;
        }
        Ok(result)
    }

    fn get_option(&self, fd: c_int, level: i64, name: i64, all: &[Value]) -> Result<i64, String> {
        let (mut value, mut length) = ([0_u8; 512], 512_u32);
        if let Some(Ok(room)) = all.get(4).map(Value::number) {
            length = room as u32;
        }
        let into: *mut c_void = value.as_mut_ptr().cast();
        let result =
            call!(self, getsockopt, fd, level as c_int, name as c_int, into, &raw mut length);
        if result == 0 {
            match &all[3] {
                Value::Text(text) => {
                    let text = text.trim_end_matches("\\x00");
                    let is = String::from_utf8_lossy(&value[..text.len()]).into_owned();
                    if is != text {
                        return Err(format!("option: {is} instead of {text}"));
                    }
                }
                wanted => {
                    let is = i32::from_ne_bytes(*value.first_chunk().unwrap_or(&[0; 4]));
                    expect("option", wanted.number()?, is.into())?;
                }
            }
        }
        Ok(result)
    }

    fn set_option(&self, fd: c_int, level: i64, name: i64, all: &[Value]) -> Result<i64, String> {
        let value = match &all[3] {
            Value::Text(text) => text.as_bytes().to_vec(),
            Value::Structure(fields) => {
                let numbers: Result<Vec<_>, _> =
                    fields.iter().map(|(_, value)| value.number()).collect();
                numbers?.iter().flat_map(|number| (*number as i32).to_ne_bytes()).collect()
            }
            other => (other.number()? as i32).to_ne_bytes().to_vec(),
        };
        let (start, length) = (value.as_ptr().cast(), value.len() as u32);
        Ok(call!(self, setsockopt, fd, level as c_int, name as c_int, start, length))
    }

    fn poll(&self, wanted: &Value, millis: c_int) -> Result<i64, String> {
        let mut fds = Vec::new();
        for one in wanted.list() {
            let field = |name: &str| one.field(name).ok_or("a pollfd is incomplete");
            let events = field("events")?.number()? as i16;
            fds.push(libc::pollfd { fd: self.fd(field("fd")?)?, events, revents: 0 });
        }
        let result = call!(self, poll, fds.as_mut_ptr(), fds.len() as u64, millis);
        for (one, given) in wanted.list().iter().zip(&fds) {
            let revents = one.field("revents").ok_or("a pollfd is incomplete")?.number()?;
            expect("revents", revents, given.revents.into())?;
        }
        Ok(result)
    }

    fn event(&self, value: &Value) -> Result<libc::epoll_event, String> {
        let events = value.field("events").ok_or("no events")?.number()? as u32;
        let data = match value.field("fd") {
            Some(fd) => self.fd(fd)? as u64,
            None => value.nth(1).map_or(Ok(0), Value::number)? as u64,
        };
        Ok(libc::epoll_event { events, u64: data })
    }

    fn epoll_wait(&self, set: c_int, wanted: &Value, millis: c_int) -> Result<i64, String> {
        let mut given = [libc::epoll_event { events: 0, u64: 0 }; 8];
        let result = call!(self, epoll_wait, set, given.as_mut_ptr(), 1, millis);
        let (wanted, is) = (self.event(wanted)?, given[0]);
        expect("events", wanted.events.into(), is.events.into())?;
        expect("data", wanted.u64 as i64, is.u64 as i64)?;
        Ok(result)
    }

    /// TCP_INFO by the symbol that LD_PRELOAD puts before libc's.
    pub fn tcp_info(&self, fd: c_int) -> Vec<u8> {
        let (mut value, mut length) = (vec![0_u8; 280], 280_u32);
        // SAFETY: as getsockopt(2) wants it.
        let result = unsafe {
            crore_packetdrill::getsockopt(
                fd,
                libc::SOL_TCP,
                libc::TCP_INFO,
                value.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        assert_eq!((result, length), (0, 280), "TCP_INFO comes in full length");
        // packetdrill asks for these two with it, and gives up when they fail.
        for (level, name, wanted) in [(libc::SOL_TCP, 26, 0), (libc::SOL_SOCKET, 55, 36)] {
            let (mut more, mut length) = ([0_u8; 64], 64_u32);
            let into = more.as_mut_ptr().cast();
            // SAFETY: as above.
            let result =
                unsafe { crore_packetdrill::getsockopt(fd, level, name, into, &raw mut length) };
            assert_eq!((result, length), (0, wanted), "option {name}");
        }
        value
    }

    pub fn send_packet(&self, packet: &[u8]) {
        let result = call!(self, netdev_send, packet.as_ptr().cast(), packet.len());
        assert_eq!(result, 0);
    }

    /// The next packet that is sent, with its time.
    pub fn next_packet(&self) -> Option<(i64, Vec<u8>)> {
        let (mut bytes, mut length, mut time) = (vec![0_u8; 65_536], 65_536, 0);
        let start = bytes.as_mut_ptr().cast();
        let result = call!(self, netdev_receive, start, &raw mut length, &raw mut time);
        assert_eq!(result, 0);
        bytes.truncate(length);
        (length > 0).then_some((time, bytes))
    }

    pub fn sleep(&self, micros: i64) {
        let _ = call!(self, usleep, micros as u32);
    }

    /// Microseconds of the virtual day.
    pub fn time(&self) -> i64 {
        let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let _ = call!(self, gettimeofday, &raw mut now, std::ptr::null_mut());
        now.tv_sec * 1_000_000 + now.tv_usec
    }

    pub fn free(self) {
        let table = self.table.0;
        // SAFETY: the last call with this instance.
        unsafe { (table.free)(table.userdata) };
    }
}

fn expect(what: &str, wanted: i64, is: i64) -> Result<(), String> {
    if wanted == is { Ok(()) } else { Err(format!("{what}: {is:#x} instead of {wanted:#x}")) }
}

fn lengths(pieces: &Value) -> Result<Vec<usize>, String> {
    let length = |piece: &Value| -> Result<usize, String> {
        Ok(piece.nth(1).ok_or("a piece has no length")?.number()? as usize)
    };
    pieces.list().iter().map(length).collect()
}

fn sockaddr(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    let mut bytes = Vec::new();
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend((libc::AF_INET as u16).to_ne_bytes());
            bytes.extend(port);
            bytes.extend(v4.ip().octets());
            bytes.resize(16, 0);
        }
        SocketAddr::V6(v6) => {
            bytes.extend((libc::AF_INET6 as u16).to_ne_bytes());
            bytes.extend(port);
            bytes.extend([0; 4]);
            bytes.extend(v6.ip().octets());
            bytes.resize(28, 0);
        }
    }
    bytes
}
