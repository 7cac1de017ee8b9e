//! What a connection takes, by the figures of the engines' own code. Invariant: nothing here is a number
//! of its own but the part of the kernel's memory, which is measured where it cannot be read.

use doctor::Costs;
use stack::Native;
use stack::port::{Caps, MemPort};

use crate::demo::Network;
use crate::demo::memory::FIXED_BYTES;
use crate::serve::capacity::{KERNEL_BYTES, USABLE_PERCENT};

/// Descriptors that a server has besides one for each connection: listeners, files, its own needs.
const SPARE_DESCRIPTORS: u64 = 1_280;

/// Enough connections that what does not depend on their number vanishes in the division.
const MANY: u32 = 10_000_000;
/// What `crore serve`'s HTTP takes on either engine.
pub fn costs() -> Costs {
    Costs {
        sock_bytes: each(sock::bytes_for::<http::Conn>),
        kernel_bytes: KERNEL_BYTES,
        stack_bytes: each(on_own_stack),
        stack_fixed_bytes: FIXED_BYTES,
        spare_descriptors: SPARE_DESCRIPTORS,
        usable_percent: USABLE_PERCENT,
    }
}

fn on_own_stack(connections: u32) -> usize {
    Native::<MemPort, http::Conn>::bytes_for(&Network::new(connections).server(), &Caps::ETHERNET)
}

/// Bytes for one more connection.
fn each(bytes_for: fn(u32) -> usize) -> u64 {
    let more = bytes_for(2 * MANY) - bytes_for(MANY);
    more.div_ceil(MANY as usize) as u64
}

#[cfg(test)]
mod tests {
    use super::costs;
    use crate::demo::memory::END_BYTES;
    use crate::serve::capacity::OWN_BYTES;

    #[test]
    fn what_is_said_at_other_places_is_what_the_code_takes() {
        let costs = costs();
        assert_eq!(costs.stack_bytes, END_BYTES);
        assert!((65..=OWN_BYTES).contains(&costs.sock_bytes), "{}", costs.sock_bytes);
    }
}
