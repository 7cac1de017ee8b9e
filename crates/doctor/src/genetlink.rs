//! What the kernel tells of network devices over generic netlink and no file says: XDP modes
//! (family `netdev`, since Linux 6.3), ring sizes, channels and offloads (family `ethtool`, since 5.6).
//!
//! Message and attribute numbers are those of the kernel's uapi headers `netdev.h`, `ethtool_netlink.h`
//! and `genetlink.h`. Invariant: only requests that change nothing are sent; an answer that is not
//! understood is no answer.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink::message::{DONE, DUMP, ERROR, NESTED, REQUEST, attributes, message, messages, put};
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketType, sockopt};

/// Long enough for a kernel that answers at all.
const PATIENCE: Duration = Duration::from_secs(1);
/// The kernel's answers to a dump come in pieces of at most this size.
const ANSWER_BYTES: usize = 1 << 16;

const GENERIC_HEADER_BYTES: usize = 4;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
const ETHTOOL_MSG_RINGS_GET: u8 = 15;
const ETHTOOL_MSG_CHANNELS_GET: u8 = 17;
const ETHTOOL_MSG_RSS_GET: u8 = 38;
/// The first attribute of every ethtool message is its header.
const ETHTOOL_A_HEADER: u16 = 1;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_FEATURES_ACTIVE: u16 = 4;
const ETHTOOL_A_RSS_CONTEXT: u16 = 2;
const ETHTOOL_A_RSS_INDIR: u16 = 4;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;

/// What the kernel answered of one device.
#[derive(Clone, Default, Debug)]
pub(crate) struct Answer {
    /// `NETDEV_A_DEV_XDP_FEATURES`.
    pub(crate) xdp: Option<u64>,
    /// Receive descriptors in each ring: now, and at most.
    pub(crate) rx_ring: Option<(u32, u32)>,
    /// Queues in use, and at most: combined ones, else those for receiving.
    pub(crate) channels: Option<(u32, u32)>,
    /// The queue of each entry of the table by which the device spreads packets (RSS).
    pub(crate) rss: Option<Vec<u32>>,
    /// Names of the offloads that are on.
    pub(crate) active: Option<Vec<String>>,
}

/// Answers by the device's index.
pub(crate) type Answers = BTreeMap<u32, Answer>;

/// Asks about all devices. Empty where the kernel does not answer.
pub(crate) fn ask() -> Answers {
    let mut answers = Answers::new();
    if let Ok(mut kernel) = Kernel::connect() {
        kernel.ask_netdev(&mut answers);
        kernel.ask_ethtool(&mut answers);
    }
    answers
}

struct Kernel {
    socket: OwnedFd,
}

impl Kernel {
    fn connect() -> Result<Self, Errno> {
        let kind = SocketType::RAW;
        let socket = net::socket(AddressFamily::NETLINK, kind, Some(GENERIC))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket })
    }

    fn ask_netdev(&mut self, answers: &mut Answers) {
        let Some(family) = self.family("netdev") else { return };
        for message in self.dump(family, NETDEV_CMD_DEV_GET, &[]).unwrap_or_default() {
            let attributes = Attributes(&message);
            if let Some(index) = attributes.number(NETDEV_A_DEV_IFINDEX) {
                let answer = answers.entry(index as u32).or_default();
                answer.xdp = attributes.number(NETDEV_A_DEV_XDP_FEATURES);
            }
        }
    }

    fn ask_ethtool(&mut self, answers: &mut Answers) {
        let Some(family) = self.family("ethtool") else { return };
        let header = attribute(ETHTOOL_A_HEADER | NESTED, &[]);
        let mut each = |command, take: &dyn Fn(&mut Answer, Attributes<'_>)| {
            for message in self.dump(family, command, &header).unwrap_or_default() {
                let attributes = Attributes(&message);
                let index = attributes
                    .find(ETHTOOL_A_HEADER)
                    .and_then(|header| Attributes(header).number(ETHTOOL_A_HEADER_DEV_INDEX));
                if let Some(index) = index {
                    take(answers.entry(index as u32).or_default(), attributes);
                }
            }
        };
        let pair = |attributes: Attributes<'_>, now, most| {
            Some((attributes.number(now)? as u32, attributes.number(most)? as u32))
        };
        // ETHTOOL_A_RINGS_RX and _RX_MAX; ETHTOOL_A_CHANNELS_COMBINED_COUNT and _MAX, _RX_COUNT and _MAX.
        each(ETHTOOL_MSG_RINGS_GET, &|answer, rings| answer.rx_ring = pair(rings, 6, 2));
        each(ETHTOOL_MSG_CHANNELS_GET, &|answer, channels| {
            answer.channels = pair(channels, 9, 5).or_else(|| pair(channels, 6, 2));
        });
        each(ETHTOOL_MSG_RSS_GET, &|answer, rss| {
            // Tables of other contexts are for what rules pick out.
            if rss.find(ETHTOOL_A_RSS_CONTEXT).is_none() {
                answer.rss = rss.find(ETHTOOL_A_RSS_INDIR).map(queues);
            }
        });
        each(ETHTOOL_MSG_FEATURES_GET, &|answer, features| {
            answer.active = features.find(ETHTOOL_A_FEATURES_ACTIVE).map(names);
        });
    }

    /// The number that a family of messages goes by.
    fn family(&mut self, name: &str) -> Option<u16> {
        let name = attribute(CTRL_ATTR_FAMILY_NAME, format!("{name}\0").as_bytes());
        self.send(GENL_ID_CTRL, REQUEST, CTRL_CMD_GETFAMILY, &name).ok()?;
        let mut found = None;
        self.receive(&mut |message| {
            found = Attributes(message).number(CTRL_ATTR_FAMILY_ID);
        })
        .ok()?;
        u16::try_from(found?).ok()
    }

    /// All answers to a request for everything.
    fn dump(&mut self, family: u16, command: u8, body: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
        self.send(family, REQUEST | DUMP, command, body)?;
        let mut messages = Vec::new();
        while self.receive(&mut |message| messages.push(message.to_vec()))? {}
        Ok(messages)
    }

    fn send(&mut self, kind: u16, flags: u16, command: u8, body: &[u8]) -> Result<(), Errno> {
        let body = [&[command, 1, 0, 0], body].concat();
        net::send(&self.socket, &message(kind, flags, &body), SendFlags::empty()).map(drop)
    }

    /// Reads one datagram and hands over the attributes of each message in it. Says whether more of
    /// a dump will come.
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<bool, Errno> {
        let mut buffer = vec![0; ANSWER_BYTES];
        let (length, _) = net::recv(&self.socket, &mut buffer, RecvFlags::empty())?;
        for (kind, body) in messages(&buffer[..length]) {
            match kind {
                ERROR => return Err(Errno::NOTSUP),
                DONE => return Ok(false),
                _ => take(body.get(GENERIC_HEADER_BYTES..).unwrap_or_default()),
            }
        }
        Ok(true)
    }
}

/// Attributes, one after the other.
#[derive(Clone, Copy)]
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    fn find(self, wanted: u16) -> Option<&'a [u8]> {
        attributes(self.0).find_map(|(kind, content)| (kind == wanted).then_some(content))
    }

    /// An unsigned number of 2, 4 or 8 bytes.
    fn number(self, wanted: u16) -> Option<u64> {
        let content = self.find(wanted)?;
        match content.len() {
            2 => Some(u64::from(u16::from_ne_bytes(content.try_into().ok()?))),
            4 => Some(u64::from(u32::from_ne_bytes(content.try_into().ok()?))),
            8 => Some(u64::from_ne_bytes(content.try_into().ok()?)),
            _ => None,
        }
    }
}

/// The queues in a table of RSS.
fn queues(table: &[u8]) -> Vec<u32> {
    table.as_chunks().0.iter().map(|queue| u32::from_ne_bytes(*queue)).collect()
}

/// The names of the bits that are set.
fn names(bitset: &[u8]) -> Vec<String> {
    let bits = Attributes(bitset).find(ETHTOOL_A_BITSET_BITS).unwrap_or_default();
    let name = |(_, bit)| {
        let name = Attributes(bit).find(ETHTOOL_A_BITSET_BIT_NAME)?;
        Some(std::str::from_utf8(name).ok()?.trim_end_matches('\0').to_owned())
    };
    attributes(bits).filter_map(name).collect()
}

/// An attribute by itself.
fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, kind, content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{attribute, names};

    #[test]
    fn names_of_set_bits_are_found_in_their_nest() {
        let bit = |name: &str| attribute(1, &attribute(2, format!("{name}\0").as_bytes()));
        let bits = attribute(3, &[bit("rx-gro"), bit("tx-checksum-ipv4")].concat());
        assert_eq!(names(&bits), ["rx-gro", "tx-checksum-ipv4"]);
    }
}
