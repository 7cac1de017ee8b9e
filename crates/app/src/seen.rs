//! What an engine tells of a connection to somebody who looks at all of them: [`Seen`].

use core::net::SocketAddr;

/// One connection at one moment, as an engine sees it that has its own TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Its state, by the name that RFC 9293 section 3.3.2 gives it.
    pub state: &'static str,
    /// Whether it sleeps: nothing is in flight, and nothing is buffered.
    pub sleeps: bool,
    /// Smoothed round-trip time in microseconds, where it is known.
    pub rtt_us: Option<u32>,
    /// Its variation in microseconds, while the connection is at work.
    pub rtt_variation_us: Option<u32>,
    /// Congestion window in bytes, while it is at work.
    pub congestion_window: Option<u32>,
    /// Bytes of payload of the largest segment to send; 0 in TIME-WAIT.
    pub mss: u16,
    /// Bytes sent and not acknowledged.
    pub in_flight: u64,
    /// Bytes put out and not sent.
    pub unsent: u64,
    /// Bytes received and not consumed.
    pub unread: u64,
}
