//! Opens a TAP device, or makes it: [`Device`]. Invariant: a device that was made here is gone when
//! its last queue is closed, however the process ends; one that was there is left as it was.

use std::fmt;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::ioctl::{self, Name};

/// Where the kernel makes TAP devices (Linux, Documentation/networking/tuntap.rst).
const TUN: &str = "/dev/net/tun";
/// Queues that a device has at most (MAX_TAP_QUEUES).
const QUEUES_MAX: u16 = 256;

/// A TAP device with all the queues that are wanted.
#[derive(Debug)]
pub struct Device {
    name: String,
    /// The kernel's number for it.
    index: u32,
    mtu: u16,
    created: bool,
    up: bool,
    queues: Vec<OwnedFd>,
}

/// Why a device cannot be had. Prints as what happened and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// No interface can have this name.
    Name(String),
    /// This kernel has no TAP devices.
    NoTun,
    /// The process may not make or attach to the device.
    NotPermitted(String),
    /// There is an interface of this name that is no TAP device, or it has one queue and more
    /// are wanted.
    Unfit {
        /// Its name.
        name: String,
        /// How many queues were wanted.
        queues: u16,
    },
    /// Another program has the device.
    Busy(String),
    /// More queues were asked for than a device can have.
    Queues(u16),
    /// The kernel refused something else.
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        error: Errno,
    },
}

impl Device {
    /// Opens the device of this name with so many queues; makes it if there is none.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind then.
    pub fn open(name: &str, queues: u16) -> Result<Self, OpenError> {
        let id = Name::new(name).ok_or_else(|| OpenError::Name(name.to_owned()))?;
        if queues > QUEUES_MAX {
            return Err(OpenError::Queues(queues));
        }
        let control =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        let control = control.map_err(system("opening a socket to configure interfaces"))?;
        let created = ioctl::is_up(&control, id) == Err(Errno::NODEV);
        let queues = attach(name, id, queues)?;
        let index = name_to_index(&control, name).map_err(system("asking for its number"))?;
        let mtu = ioctl::mtu(&control, id).map_err(system("asking for the interface's MTU"))?;
        // Whoever may not do this can still attach to a device that somebody else brings up.
        let up = ioctl::is_up(&control, id) == Ok(true) || ioctl::bring_up(&control, id).is_ok();
        Ok(Self { name: name.to_owned(), index, mtu, created, up, queues })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn index(&self) -> u32 {
        self.index
    }

    /// Bytes of the longest packet in a frame.
    #[must_use]
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether it was made here, and goes when its queues are closed.
    #[must_use]
    pub const fn is_created(&self) -> bool {
        self.created
    }

    /// Whether it is up. Nothing passes before it is.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn into_queues(self) -> Vec<OwnedFd> {
        self.queues
    }
}

/// Opens the queues.
fn attach(name: &str, id: Name, queues: u16) -> Result<Vec<OwnedFd>, OpenError> {
    let refused = |error| match error {
        Errno::PERM | Errno::ACCESS => OpenError::NotPermitted(name.to_owned()),
        Errno::INVAL => OpenError::Unfit { name: name.to_owned(), queues },
        Errno::BUSY => OpenError::Busy(name.to_owned()),
        error => OpenError::System { what: "attaching to the device", error },
    };
    let queue = |multi_queue| {
        let queue = open_tun(name)?;
        // A device with one queue wants to be asked for just that.
        let attached = match ioctl::attach(&queue, id, multi_queue) {
            Err(Errno::INVAL) if queues == 1 => ioctl::attach(&queue, id, false),
            attached => attached,
        };
        attached.map_err(refused)?;
        ioctl::offload(&queue).map_err(system("asking for segmentation offload"))?;
        Ok(queue)
    };
    (0..queues.max(1)).map(|_| queue(true)).collect()
}

fn open_tun(name: &str) -> Result<OwnedFd, OpenError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    open(TUN, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => OpenError::NoTun,
        Errno::PERM | Errno::ACCESS => OpenError::NotPermitted(name.to_owned()),
        error => OpenError::System { what: "opening /dev/net/tun", error },
    })
}

fn system(what: &'static str) -> impl Fn(Errno) -> OpenError {
    move |error| OpenError::System { what, error }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "`{name}` is no name for an interface: 1 to 15 bytes, without /, :, % and spaces"
            ),
            Self::NoTun => f.write_str(
                "this system has no TAP devices: /dev/net/tun is missing; load the module (modprobe \
                 tun), or give the container the device (--device /dev/net/tun)",
            ),
            Self::NotPermitted(name) => write!(
                f,
                "{name} may not be opened by this user: start crore as root or with \
                 CAP_NET_ADMIN, or have somebody who may make the device for this user (ip tuntap \
                 add dev {name} mode tap multi_queue user NAME)"
            ),
            Self::Unfit { name, queues: 1 } => {
                write!(f, "the interface {name} is no TAP device; choose another name")
            }
            Self::Unfit { name, queues } => write!(
                f,
                "the interface {name} is no TAP device with several queues, and {queues} are \
                 wanted, one for each shard; make it anew (ip tuntap add dev {name} mode tap \
                 multi_queue), or serve with one shard (--shards 1)"
            ),
            Self::Busy(name) => write!(
                f,
                "another program is attached to {name}; end that, or choose another name"
            ),
            Self::Queues(queues) => write!(
                f,
                "{queues} shards want as many queues, and a TAP device has {QUEUES_MAX} at most; \
                 ask for fewer shards"
            ),
            Self::System { what, error } => write!(f, "{what} failed: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
