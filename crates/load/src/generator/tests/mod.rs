//! The generator against servers in a world without a network, on a clock of its own: what is counted,
//! what is sent when, and what a stall does to the figures.

mod counting;
mod kinds;
mod loops;
mod others;
mod world;
