//! Network devices: [`Device`]. Invariant: what was not read is `None`, not a default.

use crate::Tree;
use crate::genetlink::Answers;

/// A network device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its driver; none for a device without hardware.
    pub driver: Option<String>,
    /// Whether its link is up.
    pub is_up: bool,
    /// Whether it has hardware, real or given by a hypervisor.
    pub is_hardware: bool,
    /// Queues that packets arrive in.
    pub rx_queues: usize,
    /// Queues in use and at most, as the driver says.
    pub channels: Option<(u32, u32)>,
    /// The queue of each entry of the table by which it spreads packets (RSS).
    pub rss: Option<Vec<u32>>,
    /// Descriptors in each receive ring: now, and at most.
    pub rx_ring: Option<(u32, u32)>,
    /// The NUMA node that it is attached to.
    pub node: Option<u64>,
    /// Its interrupts: number, and the processors that may take it.
    pub interrupts: Vec<(u32, String)>,
    /// Whether packets of one queue are spread over processors (RPS).
    pub spreads: bool,
    /// How XDP programs can run on it.
    pub xdp: Option<XdpModes>,
    /// Offloads that matter and whether they are on.
    pub offloads: Option<Vec<(Offload, bool)>>,
}

/// How XDP programs can run on a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XdpModes {
    /// In the driver, with redirection to sockets.
    pub driver: bool,
    /// Frames go to AF_XDP sockets without a copy.
    pub zero_copy: bool,
}

/// Work that a device can take over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offload {
    /// Checksums of packets that arrive.
    ReceiveChecksum,
    /// Checksums of packets sent.
    TransmitChecksum,
    /// Cutting large sends into segments.
    Segmentation,
}

impl Offload {
    const ALL: [Self; 3] = [Self::ReceiveChecksum, Self::TransmitChecksum, Self::Segmentation];

    /// The kernel's names for it: any of them being on counts.
    const fn features(self) -> &'static [&'static str] {
        match self {
            Self::ReceiveChecksum => &["rx-checksum"],
            Self::TransmitChecksum => &["tx-checksum-ip-generic", "tx-checksum-ipv4"],
            Self::Segmentation => &["tx-tcp-segmentation"],
        }
    }

    /// The word that ethtool -K knows it by.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::ReceiveChecksum => "rx",
            Self::TransmitChecksum => "tx",
            Self::Segmentation => "tso",
        }
    }
}

/// `NETDEV_XDP_ACT_BASIC` and `_REDIRECT`: driver mode as crore needs it.
const XDP_DRIVER: u64 = 1 | 2;
/// `NETDEV_XDP_ACT_XSK_ZEROCOPY`.
const XDP_ZERO_COPY: u64 = 8;
/// ARPHRD_ETHER: other kinds (loopback, tunnels) carry no frames of ours.
const ETHERNET: u64 = 1;

/// Reads all Ethernet devices.
pub(crate) fn read(tree: &Tree, answers: &Answers) -> Vec<Device> {
    let names = tree.names("/sys/class/net");
    names.into_iter().filter_map(|name| one(tree, answers, name)).collect()
}

fn one(tree: &Tree, answers: &Answers, name: String) -> Option<Device> {
    let folder = format!("/sys/class/net/{name}");
    if tree.number(&format!("{folder}/type")) != Some(ETHERNET) {
        return None;
    }
    let queues = tree.names(&format!("{folder}/queues"));
    let receiving: Vec<&String> = queues.iter().filter(|name| name.starts_with("rx-")).collect();
    let spreads = receiving.iter().any(|queue| {
        let mask = tree.text(&format!("{folder}/queues/{queue}/rps_cpus")).unwrap_or_default();
        mask.chars().any(|digit| !matches!(digit, '0' | ','))
    });
    let index = tree.number(&format!("{folder}/ifindex")).unwrap_or(0) as u32;
    let answer = answers.get(&index).cloned().unwrap_or_default();
    let is_on = |active: &[String], offload: Offload| {
        active.iter().any(|name| offload.features().contains(&name.as_str()))
    };
    let offloads = answer.active.map(|active| {
        Offload::ALL.iter().map(|&offload| (offload, is_on(&active, offload))).collect()
    });
    Some(Device {
        driver: tree.link_name(&format!("{folder}/device/driver")),
        is_up: tree.text(&format!("{folder}/operstate")).as_deref() != Some("down"),
        is_hardware: tree.exists(&format!("{folder}/device")),
        rx_queues: receiving.len(),
        channels: answer.channels,
        rss: answer.rss,
        rx_ring: answer.rx_ring,
        node: tree.number(&format!("{folder}/device/numa_node")),
        interrupts: interrupts(tree, &folder),
        spreads,
        xdp: answer.xdp.map(|bits| XdpModes {
            driver: bits & XDP_DRIVER == XDP_DRIVER,
            zero_copy: bits & XDP_ZERO_COPY != 0,
        }),
        offloads,
        name,
    })
}

/// Interrupts of a device: those of its PCI function, or of the one its virtio device sits on.
fn interrupts(tree: &Tree, folder: &str) -> Vec<(u32, String)> {
    let folders = [format!("{folder}/device/msi_irqs"), format!("{folder}/device/../msi_irqs")];
    let numbers = folders.iter().flat_map(|folder| tree.names(folder));
    numbers
        .filter_map(|number| {
            let cpus = tree.text(&format!("/proc/irq/{number}/effective_affinity_list"))?;
            Some((number.parse().ok()?, cpus))
        })
        .collect()
}
