//! Both engines against real sockets: every test runs on each. A test starts a server in a thread
//! of its own with a handler that is a closure, and speaks to it with ordinary blocking sockets.
//! The harness checks after each that every connection ended exactly once and that no descriptor
//! is left.

mod harness;

mod closing;
mod dialling;
mod exchange;
mod limits;
mod output;
mod random;
