//! What there is to tell of each connection, for whoever looks at all of them. Invariant: looking
//! changes nothing.

use core::net::SocketAddr;

use app::Seen;
use port::Port;
use tcp::{Body, State, Tuple};

use super::Core;
use crate::replies::InFlight;

/// Records looked at in one go.
const RECORDS: u32 = 1024;

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Tells of some connections from a slot on; gives the slot to go on from.
    pub(super) fn look(&self, from: u32, tell: &mut dyn FnMut(&Seen)) -> Option<u32> {
        let mut next = from;
        for _ in 0..RECORDS {
            let slot = self.flows.next_slot(next)?;
            next = slot + 1;
            if let Some(seen) = self.seen(slot) {
                tell(&seen);
            }
        }
        Some(next)
    }

    fn seen(&self, slot: u32) -> Option<Seen> {
        let ends = self.flows.ends(slot, &self.link.addresses)?;
        let seen = match &self.flows.get(slot)?.body {
            Body::Working(block) => {
                let block = &self.blocks[*block];
                let tcp = &block.tcp;
                let sent = u64::try_from(block.sent_to.distance(tcp.una())).unwrap_or(0);
                Seen {
                    state: name(tcp.state()),
                    sleeps: false,
                    rtt_us: tcp.smoothed_rtt_us(),
                    rtt_variation_us: tcp.smoothed_rtt_us().map(|_| tcp.rtt_variation_us()),
                    congestion_window: Some(tcp.congestion_window()),
                    mss: tcp.mss(),
                    in_flight: sent,
                    unsent: block.unsent(),
                    unread: block.received.ready() as u64,
                    ..quiet(&ends, "ESTABLISHED")
                }
            }
            Body::Sleeping(sleeping) => Seen {
                rtt_us: sleeping.smoothed_rtt_us(),
                mss: sleeping.mss(),
                ..quiet(&ends, "ESTABLISHED")
            },
            Body::Replied(index) => match &self.replies.get(*index).flight {
                InFlight::Greeting(_) => Seen { sleeps: false, ..quiet(&ends, "SYN-RECEIVED") },
                InFlight::Attempt(..) => Seen { sleeps: false, ..quiet(&ends, "SYN-SENT") },
                InFlight::Farewell(farewell) => {
                    let state = if farewell.is_first() { State::FinWait1 } else { State::LastAck };
                    Seen { sleeps: false, ..quiet(&ends, name(state)) }
                }
                InFlight::Answer(reply) => {
                    let in_flight = reply.send_next().distance(reply.una());
                    Seen {
                        sleeps: false,
                        rtt_us: reply.asleep.smoothed_rtt_us(),
                        mss: reply.asleep.mss(),
                        in_flight: u64::try_from(in_flight).unwrap_or(0),
                        ..quiet(&ends, "ESTABLISHED")
                    }
                }
            },
            Body::TimeWait(_) => quiet(&ends, "TIME-WAIT"),
        };
        Some(seen)
    }
}

/// A connection with nothing under way.
const fn quiet(ends: &Tuple, state: &'static str) -> Seen {
    Seen {
        local: SocketAddr::new(ends.local, ends.local_port),
        remote: SocketAddr::new(ends.remote, ends.remote_port),
        state,
        sleeps: true,
        rtt_us: None,
        rtt_variation_us: None,
        congestion_window: None,
        mss: 0,
        in_flight: 0,
        unsent: 0,
        unread: 0,
    }
}

const fn name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}
