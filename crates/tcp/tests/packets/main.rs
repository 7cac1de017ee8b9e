//! Packet-level tests: one segment at a time, in virtual time.

mod script;
mod segment;

mod close;
mod congestion;
mod cookies;
mod delayed_ack;
mod ecn;
mod handshake;
mod icmp;
mod keep_alive;
mod options;
mod out_of_order;
mod path;
mod rack;
mod recovery;
mod retransmission;
mod sack;
mod sending;
mod sleeping;
mod spurious;
mod states;
mod time_wait;
mod timestamps;
mod told;
mod urgent;
mod window;
mod zero_window;
