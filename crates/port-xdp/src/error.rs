//! What keeps an interface from being used, and what to do about it: [`Error`].

use std::fmt;
use std::net::SocketAddr;

use rustix::io::Errno;

/// Why frames cannot be had from an interface. The text says what happened and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no interface of that name in this network namespace.
    NoInterface {
        /// The name.
        interface: String,
    },
    /// The interface has no address that could be served.
    NoAddress {
        /// Its name.
        interface: String,
    },
    /// The interface is down.
    Down {
        /// Its name.
        interface: String,
    },
    /// The process may not do that.
    Permission {
        /// What.
        what: &'static str,
    },
    /// The process may not do that, and a few capabilities would not change it.
    NotRoot {
        /// What.
        what: &'static str,
    },
    /// The kernel is too old, or built without it.
    Unsupported {
        /// What is missing.
        what: &'static str,
    },
    /// Another XDP program is attached.
    OtherProgram {
        /// To which interface.
        interface: String,
    },
    /// The program could not be attached.
    Attach {
        /// To which interface.
        interface: String,
        /// What the kernel said.
        error: Errno,
    },
    /// The kernel's verifier refuses the program: a mistake of ours, or a kernel with rules of its own.
    Verifier {
        /// What the kernel said.
        error: Errno,
        /// What the verifier said.
        log: String,
    },
    /// A queue of the interface is in use by another socket.
    QueueBusy {
        /// Of which interface.
        interface: String,
        /// Which one.
        queue: u32,
    },
    /// Packet buffers may not be locked in memory.
    LockedMemory {
        /// Bytes that packet buffers take.
        bytes: usize,
    },
    /// Another program of this machine has the port.
    PortTaken {
        /// At which address.
        address: SocketAddr,
    },
    /// The kernel leaves no ports to open connections from.
    NoPorts,
    /// There are more shards than queues.
    TooFewQueues {
        /// Of which interface.
        interface: String,
        /// How many it has.
        queues: u32,
    },
    /// Memory could not be reserved.
    Reserve(mem::ReserveError),
    /// The kernel refused something else.
    System {
        /// What happened.
        what: &'static str,
        /// What the kernel said.
        error: Errno,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface { interface } => write!(
                f,
                "there is no network interface {interface:?} here; `ip link` lists those there are"
            ),
            Self::NoAddress { interface } => write!(
                f,
                "{interface} has no address that is listened on; `ip address add ADDRESS/LENGTH \
                 dev {interface}` gives it one"
            ),
            Self::Down { interface } => {
                write!(f, "{interface} is down; `ip link set {interface} up` brings it up")
            }
            Self::Permission { what } => write!(
                f,
                "this process may not {what}; run it as root, or with the capabilities CAP_BPF, \
                 CAP_NET_ADMIN and CAP_NET_RAW (`setcap cap_bpf,cap_net_admin,cap_net_raw+ep` on \
                 the program, or AmbientCapabilities= in its systemd unit)"
            ),
            Self::NotRoot { what } => write!(f, "this process may not {what}; run it as root"),
            Self::Unsupported { what } => {
                write!(f, "this kernel has no {what}; Linux 5.10 or later with it is needed")
            }
            Self::OtherProgram { interface } => write!(
                f,
                "another XDP program is attached to {interface}, and an interface has room for \
                 one; `ip link show {interface}` shows it, `ip link set {interface} xdp off` \
                 removes it, unless it is held by a running program, which then has to end"
            ),
            Self::Attach { interface, error } => {
                write!(f, "the XDP program could not be attached to {interface}: {error}")
            }
            Self::Verifier { error, log } => {
                write!(f, "the kernel refuses the XDP program ({error}). It says:\n{log}")
            }
            Self::QueueBusy { interface, queue } => write!(
                f,
                "queue {queue} of {interface} is used by another AF_XDP socket, and has been for \
                 the second that was waited; end the program that has it (`ss --xdp -p` names it)"
            ),
            Self::LockedMemory { bytes } => write!(
                f,
                "{} MiB of packet buffers may not be locked in memory; raise the limit (`ulimit \
                 -l`, LimitMEMLOCK= in a systemd unit) or give the process CAP_IPC_LOCK",
                bytes.div_ceil(1 << 20)
            ),
            Self::PortTaken { address } => write!(
                f,
                "{address} is in use by another program of this machine, which would not hear \
                 from its clients any more; end it (`ss -ltnp` names it) or listen elsewhere"
            ),
            Self::NoPorts => f.write_str(
                "no ports are left for connections of crore's own: the kernel chooses from nearly \
                 all of them, or programs have them; leave some with `sysctl -w \
                 net.ipv4.ip_local_port_range=\"32768 60999\"`, or have connections come from \
                 addresses that only crore has",
            ),
            Self::TooFewQueues { interface, queues } => write!(
                f,
                "{interface} has {queues} receive queue(s), and each shard needs one of its own; \
                 ask for as many shards, or for more queues with `ethtool -L {interface} combined N`"
            ),
            Self::Reserve(error) => error.fmt(f),
            Self::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<mem::ReserveError> for Error {
    fn from(error: mem::ReserveError) -> Self {
        Self::Reserve(error)
    }
}
