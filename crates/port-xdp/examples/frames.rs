//! What the port alone reaches: `frames send|receive|echo DEVICE SECONDS` sends frames of 64 bytes to
//! port 80 of the other end, takes those that come, or sends each back to where it came from, as fast
//! as it can, and prints how many a second; what comes is counted from the first on. For one host at each end of a veth pair, as root;
//! `cargo xtask bench net` runs it beside DPDK's testpmd.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mem::{Batch, Pool};
use port::Port;
use port_xdp::{Attachment, Interface, Options, XdpPort};

/// Bytes of a frame without its check sequence: the shortest that Ethernet has.
const FRAME: usize = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, device, seconds] = words.as_slice() else {
        return Err("frames send|receive|echo DEVICE SECONDS".into());
    };
    let interface = Interface::look_up(device)?;
    let all = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 80);
    let options = Options {
        listeners: vec![all],
        outgoing: None,
        sources: Vec::new(),
        busy_poll: false,
        mode: None,
        shards: 1,
    };
    let mut ports = Attachment::new(&interface, &options)?.into_ports();
    let mut port = ports.pop().ok_or("the interface has no queue")?;
    let mut pool = Pool::new(512, 2048)?;
    let time = Duration::from_secs(seconds.parse()?);
    let count = match what.as_str() {
        "send" => send(&mut port, &mut pool, &frame(&interface)?, time)?,
        "receive" => receive(&mut port, &mut pool, time, false)?,
        "echo" => receive(&mut port, &mut pool, time, true)?,
        _ => return Err(format!("there is no {what}").into()),
    };
    println!("{:.0}", count as f64 / time.as_secs_f64());
    Ok(())
}

/// A segment without payload, from this end to the neighbour that the kernel knows.
fn frame(interface: &Interface) -> Result<[u8; FRAME], Box<dyn Error>> {
    let known = |own: &IpAddr| own.is_ipv4();
    let own = interface.addresses.iter().find(|own| known(own)).ok_or("no IPv4 address")?;
    let neighbor = interface.neighbors.iter().find(|(address, _)| known(address));
    let (to, mac) = neighbor.ok_or("no neighbour is known: ping it first")?;
    let (IpAddr::V4(own), IpAddr::V4(to)) = (own, to) else { return Err("not IPv4".into()) };
    let mut frame = [0; FRAME];
    frame[..6].copy_from_slice(mac);
    frame[6..12].copy_from_slice(&interface.mac);
    // IPv4, a header of five words; 40 bytes in all; TCP.
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[17] = 40;
    frame[22] = 64;
    frame[23] = 6;
    frame[26..30].copy_from_slice(&own.octets());
    frame[30..34].copy_from_slice(&to.octets());
    // From port 9 to port 80; a header of five words. Nobody looks at the checksums.
    frame[35] = 9;
    frame[37] = 80;
    frame[46] = 0x50;
    Ok(frame)
}

fn send(port: &mut XdpPort, pool: &mut Pool, frame: &[u8], time: Duration) -> std::io::Result<u64> {
    let mut batch = Batch::new();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < time {
        while !batch.is_full()
            && let Some(mut next) = pool.take()
        {
            pool.buffer_mut(&mut next)[..frame.len()].copy_from_slice(frame);
            next.set_range(0..frame.len());
            if let Err(next) = batch.push(next) {
                pool.give(next);
            }
        }
        let before = batch.len();
        port.tx(base::Instant::from_nanos(0), pool, &mut batch)?;
        count += (before - batch.len()) as u64;
    }
    Ok(count)
}

fn receive(
    port: &mut XdpPort,
    pool: &mut Pool,
    time: Duration,
    echo: bool,
) -> std::io::Result<u64> {
    let mut batch = Batch::new();
    let (mut start, mut count) = (Instant::now(), 0);
    let now = base::Instant::from_nanos(0);
    while start.elapsed() < time {
        let before = batch.len();
        port.rx(now, pool, &mut batch)?;
        if count == 0 && !batch.is_empty() {
            start = Instant::now();
        }
        count += (batch.len() - before) as u64;
        if echo {
            let mut turned = Batch::new();
            while let Some(mut frame) = batch.pop() {
                turn(pool.data_mut(&mut frame));
                if let Err(frame) = turned.push(frame) {
                    pool.give(frame);
                }
            }
            port.tx(now, pool, &mut turned)?;
            batch = turned;
        }
        while let Some(frame) = batch.pop() {
            pool.give(frame);
        }
    }
    Ok(count)
}

/// Swaps who sent it and who gets it.
fn turn(frame: &mut [u8]) {
    for (one, other, length) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        for at in 0..length {
            frame.swap(one + at, other + at);
        }
    }
}
