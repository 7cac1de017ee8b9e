//! The kernel's stack: sockets over loopback, epoll, and both ends in this process. In a network
//! namespace of its own the packets counted are these connections' alone.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base::Prng;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::{BATCH, Cost, LENGTH, MEASURED, processor_time};

struct Ends {
    clients: Vec<TcpStream>,
    servers: Vec<TcpStream>,
    epoll: rustix::fd::OwnedFd,
}

/// What a socket is made of: itself, its inode, its name, its file, and its entry in an epoll. The
/// server's end has all of them, the client's all but the last.
const CACHES: [&str; 5] = ["TCP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi"];
/// Where in a line of /proc/slabinfo the pages of a slab and the number of slabs are.
const PAGES_A_SLAB: usize = 5;
const SLABS: usize = 14;
/// Connections opened before those that are measured, so that slabs with room are full.
const BEFORE: u32 = 500;

pub fn cost(connections: u32) -> Result<Cost, Box<dyn Error>> {
    let _filling = open(BEFORE)?;
    let before = slabs()?;
    let mut ends = open(connections)?;
    std::thread::sleep(Duration::from_millis(300));
    // Half of it is the other end's.
    let bytes = (slabs()?.saturating_sub(before)) as f64 / 2.0 / f64::from(connections);
    let (mut prng, mut spent) = (Prng::new(1), Duration::ZERO);
    let segments_before = segments()?;
    while spent < MEASURED {
        let start = processor_time();
        exchange(&mut ends, &mut prng)?;
        spent += processor_time() - start;
    }
    let packets = segments()? - segments_before;
    Ok(Cost { bytes, nanos: spent.as_nanos() as f64 / packets as f64 })
}

fn open(connections: u32) -> Result<Ends, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for index in 0..u64::from(connections) {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        epoll::add(&epoll, &server, EventData::new_u64(index), EventFlags::IN)?;
        clients.push(client);
        servers.push(server);
    }
    Ok(Ends { clients, servers, epoll })
}

/// A batch of questions, and their answers.
fn exchange(ends: &mut Ends, prng: &mut Prng) -> Result<(), Box<dyn Error>> {
    let mut asked = Vec::with_capacity(BATCH);
    while asked.len() < BATCH.min(ends.clients.len()) {
        let index = prng.below(ends.clients.len() as u32) as usize;
        if !asked.contains(&index) {
            asked.push(index);
        }
    }
    let mut bytes = [7; LENGTH];
    for &index in &asked {
        ends.clients[index].write_all(&bytes)?;
    }
    let mut answered = 0;
    let mut events = Vec::with_capacity(BATCH);
    while answered < asked.len() {
        events.clear();
        epoll::wait(&ends.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let mut server = &ends.servers[event.data.u64() as usize];
            server.read_exact(&mut bytes)?;
            server.write_all(&bytes)?;
            answered += 1;
        }
    }
    for &index in &asked {
        ends.clients[index].read_exact(&mut bytes)?;
    }
    Ok(())
}

/// Bytes of the kernel's slabs for what a socket is made of, by the kernel's own account.
fn slabs() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/slabinfo")?;
    let of_sockets = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_sockets =
        of_sockets.filter(|fields| CACHES.contains(&fields.first().copied().unwrap_or_default()));
    let mut bytes = 0;
    for fields in of_sockets {
        let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
        let (pages, slabs) = (number(PAGES_A_SLAB), number(SLABS));
        bytes += pages
            .zip(slabs)
            .map(|(pages, slabs)| pages * slabs * 4096)
            .ok_or("/proc/slabinfo has another form")?;
    }
    Ok(bytes)
}

/// Segments received and sent in this network namespace.
fn segments() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/net/snmp")?;
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let wanted = ["InSegs", "OutSegs"];
    let pairs = names.split(' ').zip(numbers.split(' '));
    let counts = pairs.filter(|(name, _)| wanted.contains(name)).map(|(_, number)| number.parse());
    let counts: Vec<u64> = counts.collect::<Result<_, _>>()?;
    if counts.len() == wanted.len() {
        Ok(counts.iter().sum())
    } else {
        Err("/proc/self/net/snmp does not count segments".into())
    }
}
