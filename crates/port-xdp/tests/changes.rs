//! What becomes of an interface while it is in use is noticed, also what the kernel did not tell. Needs a
//! right that not everybody has (to make network namespaces): where it is missing, this says so and checks
//! nothing.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mem::{Batch, Pool};
use port::{News, Pools, Port};
use port_xdp::lab::{Host, INTERFACE, Lab, Namespace};
use port_xdp::{Attachment, Error, Interface, Options, XdpPort};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// How long anything may take that has to happen at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port on the nearer of two hosts.
struct Bench {
    lab: Lab,
    port: XdpPort,
    arrivals: Pool,
}

impl Bench {
    /// `None` without the right.
    fn new() -> Option<Self> {
        let host = |last| Host {
            mac: [2, 0, 0, 0, 0, last],
            addresses: vec![Ipv4Addr::new(10, 0, 0, last)],
            length: 24,
        };
        let lab = match Lab::new([&host(1), &host(2)], 1) {
            Err(error @ (Error::NotRoot { .. } | Error::System { .. })) => {
                eprintln!("not checked: {error}");
                return None;
            }
            lab => lab.unwrap(),
        };
        let options = Options {
            listeners: vec![SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 80)],
            outgoing: None,
            sources: Vec::new(),
            busy_poll: false,
            mode: None,
            shards: 1,
        };
        let mut ports = lab.hosts[0].run(|| {
            let interface = Interface::look_up(INTERFACE).unwrap();
            Attachment::new(&interface, &options).unwrap().into_ports()
        });
        let mut port = ports.pop().unwrap();
        let Pools { arrivals, .. } = port.pools().unwrap();
        Some(Self { lab, port, arrivals })
    }

    /// Waits until something is among the news.
    fn hear(&mut self, what: impl Fn(&News) -> bool) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            self.turn().unwrap();
            while let Some(news) = self.port.news() {
                if what(&news) {
                    return;
                }
            }
        }
        panic!("it was never told");
    }

    /// What a shard does: waits, for a moment at most, and takes what there is.
    fn turn(&mut self) -> std::io::Result<()> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let now = base::Instant::from_nanos(now);
        self.port.wait(Some(now + Duration::from_millis(20)))?;
        let mut batch = Batch::new();
        let taken = self.port.rx(now, &mut self.arrivals, &mut batch);
        batch.give_all(&mut self.arrivals);
        taken
    }
}

/// Has `ip` do something on a host.
fn ip(host: &Namespace, lines: &str) {
    let done = host.run(|| {
        let mut command = Command::new("ip");
        let mut ip = command.args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
        ip.stdin.take().map(|mut stdin| stdin.write_all(lines.as_bytes())).transpose()?;
        ip.wait()
    });
    assert!(done.unwrap().success(), "ip: {}", lines.lines().next().unwrap_or_default());
}

/// What the kernel drops of its messages when there are too many was never made up for.
#[test]
fn what_was_lost_in_a_flood_of_changes_is_found_out() {
    let Some(mut bench) = Bench::new() else { return };
    let last = IpAddr::from([10, 0, 9, 9]);
    let mut lines = String::new();
    // Each makes some messages, and there is room for some hundred.
    for number in 0..1_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        lines += &format!("route add 10.9.{high}.{low}/32 dev {INTERFACE}\n");
    }
    lines += &format!(
        "address add {last}/32 dev {INTERFACE}\naddress delete {NEAR}/24 dev {INTERFACE}\n"
    );
    ip(&bench.lab.hosts[0], &lines);
    let mut to_come = vec![(last, true), (NEAR, false)];
    let mut routes = 0;
    let start = Instant::now();
    while !to_come.is_empty() || routes < 1_000 {
        assert!(start.elapsed() < PATIENCE, "never told: {to_come:?}, routes {routes}");
        bench.turn().unwrap();
        while let Some(news) = bench.port.news() {
            match news {
                News::Address { address, present } => {
                    to_come.retain(|expected| *expected != (address, present));
                }
                News::Route { length: 32, present: true, .. } => routes += 1,
                _ => {}
            }
        }
    }
    assert_eq!(routes, 1_000, "each once");
}

/// A route that leads several ways, or to a router of the other family, was none: nothing could be sent.
#[test]
fn every_way_of_a_route_is_known() {
    let Some(bench) = Bench::new() else { return };
    let host = &bench.lab.hosts[0];
    ip(
        host,
        &format!(
            "route add 10.8.0.0/16 nexthop via 10.0.0.2 dev {INTERFACE} nexthop via 10.0.0.3 dev {INTERFACE}\n\
             route add 10.7.0.0/16 via inet6 fe80::2 dev {INTERFACE}\n"
        ),
    );
    let routes = host.run(|| Interface::look_up(INTERFACE)).unwrap().routes;
    let gateways = |prefix: [u8; 4]| {
        let of = routes.iter().filter(|route| route.prefix == IpAddr::from(prefix));
        of.map(|route| route.gateway.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(gateways([10, 8, 0, 0]), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(gateways([10, 7, 0, 0]), ["fe80::2"]);
}

/// The server went on, and nothing ever arrived.
#[test]
fn an_interface_that_is_removed_is_an_end() {
    let Some(mut bench) = Bench::new() else { return };
    bench.turn().unwrap();
    ip(&bench.lab.hosts[0], &format!("link delete {INTERFACE}\n"));
    let start = Instant::now();
    let error = loop {
        assert!(start.elapsed() < PATIENCE, "it goes on");
        if let Err(error) = bench.turn() {
            break error;
        }
    };
    assert!(error.to_string().contains("interface is gone"), "{error}");
}

/// The kernel says no in a message that nobody read, and the other way to ask was never taken.
#[test]
fn a_neighbour_is_found_without_privileges() {
    let Some(mut bench) = Bench::new() else { return };
    bench.lab.hosts[0].run(|| {
        // Of this thread alone.
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, sets).unwrap();
        bench.port.find(FAR);
    });
    bench.hear(|news| {
        matches!(news, News::Neighbor { address: FAR, mac: Some([2, 0, 0, 0, 0, 2]) })
    });
}
