//! Sockets that listen: [`Listener`]. Invariant: each is non-blocking, hands `TCP_NODELAY` on to
//! what it accepts, and removes a Unix socket's file only when that file is its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType};

/// How long an address that is taken is tried again, and the time between two tries.
const TAKEN_TIME: Duration = Duration::from_secs(1);
const TAKEN_PAUSE: Duration = Duration::from_millis(20);

/// How to listen on a TCP address.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Connections the kernel keeps that were not accepted yet. The kernel's own limit
    /// (`net.core.somaxconn`, 4,096 by default) caps it.
    pub backlog: u16,
    /// Whether each clone gets a socket of its own on the same address (`SO_REUSEPORT`), between
    /// which the kernel spreads clients. For servers with several shards.
    pub reuse_port: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 4_096, reuse_port: false }
    }
}

/// A socket that listens. Give one to each engine: the first to one, clones to the others.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: LocalAddress,
    options: ListenOptions,
    /// Whether other engines or processes may accept from the same socket.
    shared: bool,
    file: Option<Arc<SocketFile>>,
}

/// Where a listener listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalAddress {
    /// A TCP address, with the port that was really taken.
    Inet(SocketAddr),
    /// A Unix socket's path; `None` for one that has no path.
    Unix(Option<PathBuf>),
}

/// Why listening failed.
#[derive(Debug)]
pub struct ListenError {
    address: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    System(Errno),
    OccupiedByFile,
    InUse,
    NotListening,
}

impl Listener {
    /// Listens on a TCP address. Port 0 takes any free port: [`Listener::local_addr`] says which.
    /// An IPv6 address takes IPv6 only, so `0.0.0.0` and `[::]` can be listened on side by side.
    ///
    /// An address that is taken is tried again for up to a second: the kernel closes the sockets of
    /// a process that used io_uring only some time after the process has ended, so a server that
    /// was killed and started anew would find its own address taken.
    ///
    /// # Errors
    /// [`ListenError`], with what to do about it.
    pub fn tcp(address: SocketAddr, options: ListenOptions) -> Result<Self, ListenError> {
        // Not before the address is taken: another server of this user that shares its port among
        // its own sockets would share it with this one too, and each would get half the clients.
        let start = Instant::now();
        loop {
            match Self::tcp_shared(address, options, ReusePort::AfterBind) {
                Err(error) if error.is_taken() && start.elapsed() < TAKEN_TIME => {
                    thread::sleep(TAKEN_PAUSE);
                }
                result => return result,
            }
        }
    }

    fn tcp_shared(
        address: SocketAddr,
        options: ListenOptions,
        reuse_port: ReusePort,
    ) -> Result<Self, ListenError> {
        let named = |errno| ListenError::system(&address, errno);
        let socket = tcp_socket(address, options, reuse_port).map_err(named)?;
        let address = local_address(&socket).map_err(named)?;
        Ok(Self { socket, address, options, shared: false, file: None })
    }

    /// Listens on a Unix socket. A socket file that a server left behind is replaced when nobody
    /// listens on it; any other file in the way is not touched. The file is removed when the last
    /// clone of the listener is dropped.
    ///
    /// # Errors
    /// [`ListenError`], with what to do about it.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        let named = |errno| ListenError::system(&path.display(), errno);
        let address = SocketAddrUnix::new(path).map_err(named)?;
        clear_stale(path, &address)?;
        let socket = socket_with(AddressFamily::UNIX).map_err(named)?;
        rustix::net::bind(&socket, &address).map_err(named)?;
        let file = SocketFile::made(path.to_path_buf());
        let options = ListenOptions::default();
        rustix::net::listen(&socket, i32::from(options.backlog)).map_err(named)?;
        let address = LocalAddress::Unix(Some(path.to_path_buf()));
        Ok(Self { socket, address, options, shared: false, file: Some(Arc::new(file)) })
    }

    /// Takes over a socket that already listens, such as one from systemd. The process that made it
    /// may go on listening, so the file of a Unix socket is left alone.
    ///
    /// # Errors
    /// [`ListenError`] when it is not a listening stream socket.
    pub fn from_fd(socket: OwnedFd) -> Result<Self, ListenError> {
        let named = |errno| ListenError::system(&"the socket handed over", errno);
        let listens = sockopt::socket_acceptconn(&socket).map_err(named)?;
        if !listens || sockopt::socket_type(&socket).map_err(named)? != SocketType::STREAM {
            let address = String::from("the socket handed over");
            return Err(ListenError { address, why: Why::NotListening });
        }
        rustix::io::ioctl_fionbio(&socket, true).map_err(named)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).map_err(named)?;
        let address = local_address(&socket).map_err(named)?;
        if matches!(address, LocalAddress::Inet(_)) {
            sockopt::set_tcp_nodelay(&socket, true).map_err(named)?;
        }
        Ok(Self { socket, address, options: ListenOptions::default(), shared: true, file: None })
    }

    /// One more listener for the same address, for another shard: a socket of its own with
    /// [`ListenOptions::reuse_port`], else the same socket, shared.
    ///
    /// # Errors
    /// [`ListenError`] as for the first.
    pub fn try_clone(&mut self) -> Result<Self, ListenError> {
        if let (LocalAddress::Inet(address), true) = (&self.address, self.options.reuse_port) {
            return Self::tcp_shared(*address, self.options, ReusePort::BeforeBind);
        }
        let named = |error: io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::MFILE);
            ListenError::system(&self.address, errno)
        };
        let socket = self.socket.try_clone().map_err(named)?;
        self.shared = true;
        let (address, file) = (self.address.clone(), self.file.clone());
        Ok(Self { socket, address, options: self.options, shared: true, file })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> &LocalAddress {
        &self.address
    }

    /// Whether waiting for it must not wake every waiter.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket_with(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// When a socket declares that it shares its port, where it does. Linux lets a socket bind beside
/// others only when all have declared it by then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReusePort {
    /// It binds beside others.
    BeforeBind,
    /// It has the port to itself, then lets others in.
    AfterBind,
}

fn tcp_socket(
    address: SocketAddr,
    options: ListenOptions,
    reuse_port: ReusePort,
) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    let set_reuse_port = |when: ReusePort| match options.reuse_port && when == reuse_port {
        true => sockopt::set_socket_reuseport(&socket, true),
        false => Ok(()),
    };
    set_reuse_port(ReusePort::BeforeBind)?;
    // Accepted sockets inherit it, which saves a call for each.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    set_reuse_port(ReusePort::AfterBind)?;
    rustix::net::listen(&socket, i32::from(options.backlog))?;
    Ok(socket)
}

fn local_address(socket: &OwnedFd) -> Result<LocalAddress, Errno> {
    let address = rustix::net::getsockname(socket)?;
    if address.address_family() == AddressFamily::UNIX {
        return Ok(LocalAddress::Unix(unix_path(address)));
    }
    SocketAddr::try_from(address).map(LocalAddress::Inet)
}

fn unix_path(address: SocketAddrAny) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let address = SocketAddrUnix::try_from(address).ok()?;
    let path = address.path_bytes()?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(path)))
}

/// Removes the socket file of a server that is gone. Says so when one is still there.
fn clear_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), ListenError> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let refuse = |why| Err(ListenError { address: path.display().to_string(), why });
    if !found.file_type().is_socket() {
        return refuse(Why::OccupiedByFile);
    }
    let named = |errno| ListenError::system(&path.display(), errno);
    let probe = socket_with(AddressFamily::UNIX).map_err(named)?;
    match rustix::net::connect(&probe, address) {
        Err(Errno::CONNREFUSED) => rustix::fs::unlink(path).map_err(named),
        // Also when its queue is full: then somebody listens, and slowly.
        Ok(()) | Err(Errno::AGAIN) => refuse(Why::InUse),
        Err(errno) => Err(named(errno)),
    }
}

/// The file of a Unix socket, removed at the end.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode, because another server may have put its own file there meanwhile.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn made(path: PathBuf) -> Self {
        let identity = identity(&path);
        Self { path, identity }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

impl ListenError {
    const fn is_taken(&self) -> bool {
        matches!(self.why, Why::System(Errno::ADDRINUSE))
    }

    fn system(address: &dyn fmt::Display, errno: Errno) -> Self {
        Self { address: address.to_string(), why: Why::System(errno) }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match self.why {
            Why::InUse | Why::System(Errno::ADDRINUSE) => {
                f.write_str("another process listens there; stop it or choose another address")
            }
            Why::OccupiedByFile => f.write_str(
                "a file that is not a socket is in the way; remove it or choose another path",
            ),
            Why::NotListening => f.write_str(
                "it is not a listening stream socket; check the unit that hands it over",
            ),
            Why::System(Errno::ACCESS | Errno::PERM) => f.write_str(
                "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE, \
                 a Unix socket needs a folder this user may write to",
            ),
            Why::System(Errno::ADDRNOTAVAIL) => {
                f.write_str("this machine has no such address; 0.0.0.0 or [::] takes any it has")
            }
            Why::System(Errno::NAMETOOLONG) => f.write_str(
                "the path is too long for a Unix socket (107 bytes); choose a shorter one",
            ),
            Why::System(errno) => errno.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {}
