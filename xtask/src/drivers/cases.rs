//! The cards that are tried: [`CASES`].

/// A card in a virtual machine, and how it is served on.
pub struct Case {
    pub name: &'static str,
    /// Linux's module for it.
    pub driver: &'static str,
    /// QEMU's name for the card, with properties.
    pub card: &'static str,
    /// Queues that QEMU has towards the wire.
    pub queues: u32,
    /// Bytes of the longest packet, at either end.
    pub mtu: u32,
    /// What `--net` is given, and flags beside it.
    pub net: &'static str,
    /// What the start line has to say.
    pub says: &'static str,
}

/// With buffers that a device may reach (`iommu_platform`), which virtio_net takes for zero-copy.
const VIRTIO: &str = "virtio-net-pci,mq=on,vectors=6,disable-legacy=on,iommu_platform=on";
const PLAIN: &str = "virtio-net-pci,mq=on,vectors=6";

const fn card(name: &'static str, card: &'static str, driver: &'static str) -> Case {
    Case { name, driver, card, queues: 1, mtu: 1500, net: "xdp:eth0", says: "" }
}

pub const CASES: &[Case] = &[
    Case {
        queues: 2,
        says: "driver mode, zero-copy",
        ..card("virtio zero-copy", VIRTIO, "virtio_net")
    },
    Case {
        queues: 2,
        net: "xdp:eth0 --shards 1",
        says: "driver mode, zero-copy",
        ..card("virtio one shard", VIRTIO, "virtio_net")
    },
    Case {
        queues: 2,
        net: "xdp:eth0 --park poll",
        says: "driver mode, zero-copy",
        ..card("virtio busy polling", VIRTIO, "virtio_net")
    },
    Case { queues: 2, says: "driver mode, copying", ..card("virtio copying", PLAIN, "virtio_net") },
    Case {
        queues: 2,
        net: "xdp:eth0/generic",
        says: "generic mode, copying",
        ..card("virtio generic", VIRTIO, "virtio_net")
    },
    Case { mtu: 9000, ..card("virtio MTU 9000", "virtio-net-pci,host_mtu=9000", "virtio_net") },
    Case { says: "driver mode, zero-copy", ..card("igb", "igb", "igb") },
    Case {
        net: "xdp:eth0/generic",
        says: "generic mode, copying",
        ..card("igb generic", "igb", "igb")
    },
    Case { says: "generic mode, copying", ..card("e1000e", "e1000e", "e1000e") },
    Case { says: "generic mode, copying", ..card("e1000", "e1000", "e1000") },
    Case { says: "generic mode, copying", ..card("vmxnet3", "vmxnet3", "vmxnet3") },
    Case { says: "generic mode, copying", ..card("rtl8139", "rtl8139", "8139cp") },
];
