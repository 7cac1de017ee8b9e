//! What can go wrong with a connection or an answer: [`ErrorKind`], and what to do about each.
//! Invariant: every request and every connection that fails is counted under exactly one kind.

use app::DialError;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $hint:literal;)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// All kinds, in the order of a connection's life.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it means, and what to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$kind => $hint,)* }
            }
        }
    };
}

kinds! {
    /// Nobody listens at the address.
    Refused = "refused",
        "nobody listens there, or the server's backlog is full: is it running, on this port?";
    /// The connection was not established in time.
    ConnectTimeout = "connect_timeout",
        "no answer to the connection attempt: a firewall, or more attempts than the server accepts";
    /// The connection was reset before it was of any use.
    ConnectReset = "connect_reset",
        "the server took the connection and reset it at once: is it at its limit?";
    /// There is no way to the address.
    Unreachable = "unreachable",
        "no route to the address; look at `ip route get`";
    /// All local ports are taken.
    NoLocalPort = "no_local_port",
        "one address has some 64,000 ports: give more with --sources (127.1.0.0/16 on loopback)";
    /// The local address and port are taken.
    AddressInUse = "address_in_use",
        "ports of --sources are used by others, or wait after a close: give more addresses";
    /// The local address is none of this machine's.
    LocalAddress = "local_address",
        "an address of --sources is none of this machine's: add it, or a local route for the range";
    /// The operating system does not permit the connection.
    Denied = "denied",
        "the system does not permit it: a local firewall, or a reserved port";
    /// Descriptors or memory ran out on this side.
    Exhausted = "exhausted",
        "this machine ran out of descriptors or memory: raise `ulimit -n`, or ask for less";
    /// The connection was reset with a request under way.
    Reset = "reset",
        "the server cut the connection with a request under way: look for a crash or a limit there";
    /// There was no answer in time.
    Timeout = "timeout",
        "no answer within --timeout: the server is overloaded or stuck";
    /// The connection was closed before the first byte of an answer.
    ClosedEarly = "closed_early",
        "the server closed instead of answering: a limit of requests a connection, or overload";
    /// The connection was closed within the head of an answer.
    ShortHead = "short_head",
        "the server closed within the head of an answer: look for a crash there";
    /// The connection was closed before the end of a body.
    ShortBody = "short_body",
        "the body was shorter than the head said: look for a crash or a time limit in the server";
    /// What came is no answer in HTTP/1.1.
    Garbage = "garbage",
        "what came is not HTTP/1.1: is another protocol spoken there?";
    /// The head of an answer is larger than 32 KiB or has more than 128 lines.
    HeadTooLarge = "head_too_large",
        "the head of an answer is larger than 32 KiB or has more than 128 lines";
    /// Bytes came that no request asked for.
    Unasked = "unasked",
        "bytes came that no request asked for: an answer longer than its head said, or two";
    /// The status is 400 or above.
    Status = "status",
        "answers with a status of 400 or above: try the request with `curl -v`";
    /// The body is not what it has to be.
    WrongBody = "wrong_body",
        "bodies are not what --expect-length, --expect-sha256 or --expect-file says";
    /// The connection could not be made secure.
    Tls = "tls",
        "the TLS handshake failed: does the server speak TLS 1.2 or 1.3 on this port?";
    /// The server's certificate is not accepted.
    Certificate = "certificate",
        "the certificate is not accepted: --cacert FILE to trust it, --insecure not to look";
}

/// How many kinds there are.
pub const KINDS: usize = ErrorKind::ALL.len();

impl From<DialError> for ErrorKind {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Refused => Self::Refused,
            DialError::Reset => Self::ConnectReset,
            DialError::TimedOut => Self::ConnectTimeout,
            DialError::Unreachable | DialError::Unsupported => Self::Unreachable,
            DialError::NoLocalPort => Self::NoLocalPort,
            DialError::InUse => Self::AddressInUse,
            DialError::LocalAddress => Self::LocalAddress,
            DialError::Denied => Self::Denied,
            DialError::Handshake => Self::Tls,
            DialError::Certificate => Self::Certificate,
            DialError::Full | DialError::Exhausted | DialError::Shutdown => Self::Exhausted,
        }
    }
}
