//! What our stack does for the clients of these tests: a [`Service`] on each port, one handler for
//! all. Invariant: what a service sends and what it makes of what it gets is the same function of
//! their positions here and in the client.

use std::time::Duration;

use crore::{Cx, Handler, Role, Step};
use rig::tree::word;

/// What becomes of a connection, by the port it comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Everything comes back.
    Echo,
    /// Eight bytes say how many follow; when they are there, their [`digest`] comes back.
    Sink,
    /// Eight bytes say how many are wanted; they come, as [`rig::tree::pattern`] makes them.
    Source,
    /// Nothing is read for [`PAUSE`]; then it is an echo.
    Pause,
    /// After the first bytes comes [`FAREWELL`], and the end.
    Farewell,
    /// The first bytes are answered with a reset.
    Reset,
}

/// What a farewell says.
pub const FAREWELL: &[u8] = b"bye";
/// How long nothing is read.
pub const PAUSE: Duration = Duration::from_millis(1500);

impl Service {
    /// In the order of their ports.
    pub const ALL: [Self; 6] =
        [Self::Echo, Self::Sink, Self::Source, Self::Pause, Self::Farewell, Self::Reset];

    /// The port.
    pub const fn port(self) -> u16 {
        7000 + self as u16
    }

    /// By the listener's number: there are two on each port, for IPv4 and for IPv6.
    fn of(role: Role) -> Self {
        match role {
            Role::Accepted { listener } => Self::ALL[usize::from(listener / 2)],
            Role::Opened => Self::Echo,
        }
    }
}

/// Takes eight more bytes into a digest, which begins with zero.
pub const fn digest(so_far: u64, word: u64) -> u64 {
    (so_far ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// The handler.
pub struct Services;

/// Of one connection: bytes still to come or go, and the digest so far or the next word's index.
#[derive(Clone, Copy, Default)]
pub struct Transfer {
    left: u64,
    state: u64,
}

impl Handler for Services {
    type Conn = Transfer;

    fn open(&mut self, cx: &mut Cx<'_, Transfer>) -> Step {
        match Service::of(cx.origin.role) {
            Service::Pause => Step::wait(0).within(PAUSE),
            _ => Step::read(0),
        }
    }

    fn data(&mut self, cx: &mut Cx<'_, Transfer>, rx: &[u8]) -> Step {
        match Service::of(cx.origin.role) {
            Service::Echo | Service::Pause => {
                let echoed = cx.out.put_some(rx);
                if echoed < rx.len() { Step::write(echoed) } else { Step::idle(echoed) }
            }
            Service::Sink => sink(cx, rx),
            Service::Source => match rx.first_chunk() {
                Some(&length) => {
                    *cx.conn = Transfer { left: u64::from_le_bytes(length), state: 0 };
                    let next = pour(cx);
                    if next { Step::write(8) } else { Step::read(8) }
                }
                None => Step::read(0),
            },
            Service::Farewell => {
                cx.out.put_some(FAREWELL);
                Step::close()
            }
            Service::Reset => Step::abort(),
        }
    }

    fn room(&mut self, cx: &mut Cx<'_, Transfer>) -> Step {
        if Service::of(cx.origin.role) == Service::Source && pour(cx) {
            return Step::write(0);
        }
        Step::read(0)
    }

    fn timer(&mut self, _: &mut Cx<'_, Transfer>) -> Step {
        Step::read(0)
    }
}

/// Puts out what there is room for, and says whether there is more.
fn pour(cx: &mut Cx<'_, Transfer>) -> bool {
    let Transfer { left, state } = cx.conn;
    let room = cx.out.space();
    let mut put = 0;
    // Lengths are multiples of eight.
    for place in room.chunks_exact_mut(8).take((*left / 8) as usize) {
        place.copy_from_slice(&word(*state).to_le_bytes());
        *state += 1;
        put += 8;
    }
    cx.out.advance(put);
    *left -= put as u64;
    *left > 0
}

fn sink(cx: &mut Cx<'_, Transfer>, mut rx: &[u8]) -> Step {
    let whole = rx.len();
    while let Some((&bytes, rest)) = rx.split_first_chunk() {
        let word = u64::from_le_bytes(bytes);
        if cx.conn.left == 0 {
            // One transfer at a time, so there is room for its answer.
            *cx.conn = Transfer { left: word, state: 0 };
        } else {
            cx.conn.state = digest(cx.conn.state, word);
            cx.conn.left -= 8;
            if cx.conn.left == 0 {
                cx.out.put_some(&cx.conn.state.to_le_bytes());
            }
        }
        rx = rest;
    }
    Step::read(whole - rx.len())
}
