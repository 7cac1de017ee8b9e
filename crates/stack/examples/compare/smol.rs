//! smoltcp, with the smallest buffers that take a whole segment in each direction.

use std::time::Instant as Clock;

use mem::{Batch, Frame, Pool};
use port::{Caps, MemPort, Port};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use crate::peer::{FIRST_PORT, SERVER, SERVER_MAC, SERVER_PORT};
use crate::{Cost, LENGTH, Server, measure};

/// Bytes of each of a connection's two buffers: one segment of 1,460 bytes and some more.
const BUFFER: usize = 2_048;

/// The wire as smoltcp wants it. Frames pass through pools as ours do.
struct Wire {
    port: MemPort,
    arriving: Pool,
    arrived: Batch,
    leaving: Pool,
    left: Batch,
}

struct Arrived<'a> {
    frame: Frame,
    pool: &'a mut Pool,
}

struct Leaving<'a> {
    port: &'a mut MemPort,
    pool: &'a mut Pool,
    batch: &'a mut Batch,
}

impl Wire {
    fn new(port: MemPort) -> Self {
        let pool = || Pool::new(2 * Batch::CAPACITY as u32, 1_664).expect("a small pool");
        let (arrived, left) = (Batch::new(), Batch::new());
        Self { port, arriving: pool(), arrived, leaving: pool(), left }
    }

    fn flush(&mut self) {
        let Ok(()) = self.port.tx(base::Instant::ZERO, &mut self.leaving, &mut self.left);
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Leaving<'_>)> {
        if self.arrived.is_empty() {
            let Ok(()) = self.port.rx(base::Instant::ZERO, &mut self.arriving, &mut self.arrived);
        }
        let frame = self.arrived.pop()?;
        let arrived = Arrived { frame, pool: &mut self.arriving };
        let (pool, batch) = (&mut self.leaving, &mut self.left);
        Some((arrived, Leaving { port: &mut self.port, pool, batch }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        let (pool, batch) = (&mut self.leaving, &mut self.left);
        Some(Leaving { port: &mut self.port, pool, batch })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }
}

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(self.pool.data(&self.frame));
        self.pool.give(self.frame);
        result
    }
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        if self.batch.is_full() {
            let Ok(()) = self.port.tx(base::Instant::ZERO, self.pool, self.batch);
        }
        let mut frame = self.pool.take().expect("more frames than a batch");
        let result = write(&mut self.pool.buffer_mut(&mut frame)[..length]);
        frame.set_range(0..length);
        self.batch.push(frame).expect("the wire takes a batch");
        result
    }
}

struct Smol {
    interface: Interface,
    wire: Wire,
    sockets: SocketSet<'static>,
    listening: Vec<SocketHandle>,
    /// By the number that the peer gave the connection. Ours has to find it out by itself.
    connections: Vec<Option<SocketHandle>>,
    bytes: usize,
    start: Clock,
}

impl Smol {
    fn new(port: MemPort, connections: u32) -> Self {
        let mut wire = Wire::new(port);
        let config = Config::new(EthernetAddress(SERVER_MAC.0).into());
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(SERVER.into(), 24)).expect("room for one address");
        });
        let count = connections as usize;
        let mut made = None;
        // What the sockets and their set hold is all that depends on the number of connections.
        let measured = allocation_counter::measure(|| made = Some(sockets(count)));
        let (sockets, listening) = made.expect("made above");
        let connections = vec![None; count];
        let bytes = usize::try_from(measured.bytes_current).expect("more was made than given back")
            - listening.capacity() * size_of::<SocketHandle>();
        Self { interface, wire, sockets, listening, connections, bytes, start: Clock::now() }
    }

    /// Finds out which sockets got which connections.
    fn sort_new(&mut self) {
        let (sockets, connections) = (&self.sockets, &mut self.connections);
        self.listening.retain(|&handle| {
            let Some(remote) = sockets.get::<Socket<'_>>(handle).remote_endpoint() else {
                return true;
            };
            connections[usize::from(remote.port - FIRST_PORT)] = Some(handle);
            false
        });
    }
}

fn sockets(count: usize) -> (SocketSet<'static>, Vec<SocketHandle>) {
    let mut sockets = SocketSet::new(Vec::with_capacity(count));
    let listening = (0..count)
        .map(|_| {
            let buffer = || SocketBuffer::new(vec![0; BUFFER]);
            let mut socket = Socket::new(buffer(), buffer());
            socket.listen(SERVER_PORT).expect("a port that is not 0");
            sockets.add(socket)
        })
        .collect();
    (sockets, listening)
}

impl Server for Smol {
    fn turn(&mut self, asked: &[u32]) {
        let now = Instant::from_micros(self.start.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let mut bytes = [0; LENGTH];
        for &index in asked {
            let Some(handle) = self.connections[index as usize] else { continue };
            let socket = self.sockets.get_mut::<Socket<'_>>(handle);
            if let Ok(length) = socket.recv_slice(&mut bytes) {
                let _ = socket.send_slice(&bytes[..length]);
            }
        }
        self.interface.poll_egress(now, &mut self.wire, &mut self.sockets);
        self.wire.flush();
        if !self.listening.is_empty() {
            self.sort_new();
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

pub fn cost(connections: u32) -> Result<Cost, String> {
    let (here, there) =
        MemPort::pair(256 << 10, Caps::ETHERNET).map_err(|error| error.to_string())?;
    measure(Smol::new(here, connections), there, connections)
}
