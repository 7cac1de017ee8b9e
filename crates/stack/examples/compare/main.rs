//! What a connection and a packet cost in three TCP/IP stacks: ours, smoltcp, and the kernel's.
//! `compare STACK CONNECTIONS` opens the connections, lets them rest, then asks over random ones, and
//! prints two numbers: bytes of memory for a connection and nanoseconds for a packet.
//! Started by `cargo xtask bench stack`.
//!
//! Every stack is a server that sends back what it gets, 64 bytes at a time, in batches of 32
//! questions. Ours and smoltcp get frames from the same peer ([`peer`]), which is no stack and is not
//! in the time measured; of the kernel both ends are measured, so a packet counts at each.

mod crore;
mod kernel;
mod peer;
mod smol;

use std::error::Error;
use std::time::Duration;

use peer::Peer;
use port::MemPort;
use rustix::time::{ClockId, clock_gettime};

/// Bytes of a question, and of its answer.
const LENGTH: usize = 64;
/// Questions asked before the stack has its turn.
const BATCH: usize = 32;
/// How long is measured, in processor time: what else the machine does is not in it.
const MEASURED: Duration = Duration::from_millis(500);

/// What was measured.
struct Cost {
    /// Of memory, for a connection that rests.
    bytes: f64,
    /// For a packet, whichever way it goes.
    nanos: f64,
}

/// A server on a stack that gets frames from memory.
trait Server {
    /// Takes in the frames that have arrived, answers, and sends. `asked`: the connections that have
    /// something to answer, for a stack that has no better way to know.
    fn turn(&mut self, asked: &[u32]);

    /// Bytes of memory used, with that many connections open and at rest.
    fn bytes(&self) -> usize;
}

/// Opens connections to a server and measures it.
fn measure(mut server: impl Server, port: MemPort, connections: u32) -> Result<Cost, String> {
    let mut peer = Peer::new(port);
    peer.open(connections, |asked| server.turn(asked))?;
    // Everything that was made for the start is given back.
    std::thread::sleep(Duration::from_millis(300));
    server.turn(&[]);
    let bytes = server.bytes() as f64 / f64::from(connections);
    let (mut spent, mut packets) = (Duration::ZERO, 0);
    while spent < MEASURED {
        packets += peer.ask(BATCH);
        let start = processor_time();
        server.turn(peer.asked());
        spent += processor_time() - start;
        packets += peer.take_answers()?;
    }
    Ok(Cost { bytes, nanos: spent.as_nanos() as f64 / f64::from(packets) })
}

/// Processor time that this thread has used, in the kernel or outside it.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stack, connections] = arguments.as_slice() else {
        return Err("usage: compare crore|smoltcp|kernel CONNECTIONS".into());
    };
    let connections: u32 = connections.parse()?;
    let cost = match stack.as_str() {
        "crore" => crore::cost(connections)?,
        "smoltcp" => smol::cost(connections)?,
        "kernel" => kernel::cost(connections)?,
        _ => return Err(format!("no stack is called {stack}").into()),
    };
    println!("{:.1} {:.1}", cost.bytes, cost.nanos);
    Ok(())
}
