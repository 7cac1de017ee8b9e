//! What there is to say about a link, for people.

use base::Bytes;
use port_tap::Device;
use port_xdp::{Attachment, Interface, Mode};

/// Of an interface of the kernel's that our stack shares.
pub(super) fn about_interface(interface: &Interface, attached: &Attachment) -> String {
    let place = match attached.mode() {
        Mode::Driver => "driver mode",
        Mode::Generic => "generic mode",
    };
    let long = match attached.mode() {
        Mode::Generic if interface.may_bring_uncut() => {
            " (frames that the sending end leaves uncut are lost: there, ethtool -K DEV tso off gso off)"
        }
        _ => "",
    };
    let copies = if attached.is_zero_copy() { "zero-copy" } else { "copying" };
    let queues = interface.queues;
    let queues = if queues == 1 { "1 queue".to_owned() } else { format!("{queues} queues") };
    let (bytes, pages) = attached.memory();
    let packets = format!("{} for packets on {pages}", Bytes(bytes as u64));
    let (name, mtu) = (&interface.name, interface.mtu);
    format!("{name}, {place}, {copies}, MTU {mtu}, {queues}, {packets}{long}")
}

/// Of a TAP device.
pub(super) fn about(device: &Device, queues: u16) -> String {
    let made = if device.is_created() { "made here" } else { "attached" };
    let down = if device.is_up() { "" } else { "; the device is down, bring it up" };
    let queues = if queues == 1 { "1 queue".to_owned() } else { format!("{queues} queues") };
    format!("{}, {made}, MTU {}, {queues}{down}", device.name(), device.mtu())
}
