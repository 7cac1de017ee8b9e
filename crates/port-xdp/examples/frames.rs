//! What the port alone reaches: `frames send|receive|echo DEVICE SECONDS [BYTES]` sends frames of 64
//! bytes, or so many, to port 80 of the other end, takes those that come, or sends each back to where
//! it came from, as fast as it can, and prints how many a second; what comes is counted from the first
//! on. For one host at each end of a veth pair, as root; `cargo xtask bench net` runs it beside DPDK's
//! testpmd.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mem::{Batch, Frame, Pool};
use port::{Pools, Port};
use port_xdp::{Attachment, Interface, Options, XdpPort};

/// Bytes of the shortest frame that Ethernet has.
const SHORTEST: usize = 64;
/// Bytes of its check sequence, which no port sees, and of the header before the packet.
const CHECK_SEQUENCE: usize = 4;
const ETHERNET: usize = 14;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (what, device, seconds, bytes) = match words.as_slice() {
        [what, device, seconds] => (what, device, seconds, SHORTEST),
        [what, device, seconds, bytes] => (what, device, seconds, bytes.parse()?),
        _ => return Err("frames send|receive|echo DEVICE SECONDS [BYTES]".into()),
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
    let Pools { mut arrivals, mut departures } = port.pools().ok_or("the port has no memory")?;
    let time = Duration::from_secs(seconds.parse()?);
    let count = match what.as_str() {
        "send" => send(&mut port, &mut departures, &frame(&interface, bytes)?, time)?,
        "receive" => receive(&mut port, &mut arrivals, None, time)?,
        "echo" => receive(&mut port, &mut arrivals, Some(&mut departures), time)?,
        _ => return Err(format!("there is no {what}").into()),
    };
    println!("{:.0}", count as f64 / time.as_secs_f64());
    Ok(())
}

/// A segment from this end to the neighbour that the kernel knows.
fn frame(interface: &Interface, bytes: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let longest = usize::from(interface.mtu) + ETHERNET;
    let bytes = bytes.max(SHORTEST) - CHECK_SEQUENCE;
    if bytes > longest {
        return Err(format!("the link takes frames of {longest} bytes").into());
    }
    let known = |own: &IpAddr| own.is_ipv4();
    let own = interface.addresses.iter().find(|own| known(own)).ok_or("no IPv4 address")?;
    let neighbor = interface.neighbors.iter().find(|(address, _)| known(address));
    let (to, mac) = neighbor.ok_or("no neighbour is known: ping it first")?;
    let (IpAddr::V4(own), IpAddr::V4(to)) = (own, to) else { return Err("not IPv4".into()) };
    let mut frame = vec![0; bytes];
    frame[..6].copy_from_slice(mac);
    frame[6..12].copy_from_slice(&interface.mac);
    // IPv4, a header of five words; TCP. The shortest is padded behind its 40 bytes.
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    let length = if bytes + CHECK_SEQUENCE == SHORTEST { 40 } else { bytes - ETHERNET };
    frame[16..18].copy_from_slice(&u16::try_from(length)?.to_be_bytes());
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

/// Takes frames, and sends each back that there is a buffer for, if there is a pool for them.
fn receive(
    port: &mut XdpPort,
    arrivals: &mut Pool,
    mut echo: Option<&mut Pool>,
    time: Duration,
) -> std::io::Result<u64> {
    let (mut batch, mut turned) = (Batch::new(), Batch::new());
    let (mut start, mut count) = (Instant::now(), 0);
    let now = base::Instant::from_nanos(0);
    while start.elapsed() < time {
        port.rx(now, arrivals, &mut batch)?;
        if count == 0 && !batch.is_empty() {
            start = Instant::now();
        }
        count += batch.len() as u64;
        if let Some(departures) = &mut echo {
            for frame in batch.iter() {
                if let Some(answer) = answer(arrivals.data(frame), departures)
                    && let Err(answer) = turned.push(answer)
                {
                    departures.give(answer);
                }
            }
            port.tx(now, departures, &mut turned)?;
        }
        batch.give_all(arrivals);
    }
    Ok(count)
}

/// A frame to who sent this one, from who got it.
fn answer(frame: &[u8], departures: &mut Pool) -> Option<Frame> {
    let mut answer = departures.take()?;
    let Some(into) = departures.buffer_mut(&mut answer).get_mut(..frame.len()) else {
        departures.give(answer);
        return None;
    };
    into.copy_from_slice(frame);
    for (one, other, length) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        for at in 0..length {
            into.swap(one + at, other + at);
        }
    }
    answer.set_range(0..frame.len());
    Some(answer)
}
