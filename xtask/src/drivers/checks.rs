//! What is tried on each card, in this order: [`CHECKS`]. Each leaves the server as it found it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rig::tree::pattern;

use super::guest::{ADDRESSES, BESIDE, Guest, wait_until};
use crate::Outcome;

/// Bytes of what is carried one way or the other.
const BIG: usize = 10_000_000;
/// Connections at once.
const CROWD: usize = 300;
/// How long a transfer may take.
const SECONDS: u64 = 120;

pub type Check = fn(&mut Guest) -> Outcome;

pub const CHECKS: &[(&str, Check)] = &[
    ("10 MB down", down),
    ("300 connections", crowd),
    ("the kernel's port", beside),
    ("MTU 1280 and back", mtu),
    ("interface down and up", interface_down),
    ("cable out and in", cable),
    ("kill -9", killed),
    ("10 MB up and back", up),
    ("doctor", doctor),
];

/// What `/big` is.
pub fn content() -> Vec<u8> {
    pattern(BIG)
}

/// By curl, at both addresses.
fn down(guest: &mut Guest) -> Outcome {
    ADDRESSES.iter().try_for_each(|address| fetch(guest, address))
}

fn fetch(guest: &Guest, address: &str) -> Outcome {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let most = SECONDS.to_string();
    let mut curl = guest.host.command("curl");
    let output = curl.args(["-sS", "-m", &most, &format!("http://{host}/big")]).output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{address}, {} bytes: {complaint}", output.stdout.len()).into());
    }
    if output.stdout != content() {
        return Err(format!("{address}: other bytes than were served").into());
    }
    Ok(())
}

/// All are open before the first asks, and each asks twice.
fn crowd(guest: &mut Guest) -> Outcome {
    guest.host.inside(|| {
        let open = |number| connect(ADDRESSES[number % 2], 80);
        let mut all: Vec<TcpStream> = (0..CROWD).map(open).collect::<Outcome<_>>()?;
        for _ in 0..2 {
            for stream in &mut all {
                stream.write_all(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")?;
            }
            for stream in &mut all {
                read_until(stream, b"small\n")?;
            }
        }
        Ok(())
    })
}

/// What is nobody's but the kernel's is as it was, at the same address.
fn beside(guest: &mut Guest) -> Outcome {
    ask(guest, ADDRESSES[0], BESIDE)
}

fn mtu(guest: &mut Guest) -> Outcome {
    let before = guest.run("cat /sys/class/net/eth0/mtu")?;
    guest.run("ip link set eth0 mtu 1280")?;
    let narrow = down(guest);
    guest.run(&format!("ip link set eth0 mtu {}", before.trim()))?;
    narrow?;
    down(guest)
}

fn interface_down(guest: &mut Guest) -> Outcome {
    guest.run("ip link set eth0 down; sleep 1; ip link set eth0 up; sleep 3")?;
    down(guest)
}

fn cable(guest: &mut Guest) -> Outcome {
    guest.plug(false)?;
    thread::sleep(Duration::from_secs(2));
    guest.plug(true)?;
    thread::sleep(Duration::from_secs(3));
    down(guest)
}

/// The interface is as before, the kernel has the port again, and so has the next server.
fn killed(guest: &mut Guest) -> Outcome {
    guest.end("9")?;
    let left = guest.run("ip link show eth0")?;
    if left.contains("xdp") {
        return Err(format!("left behind: {left}").into());
    }
    guest.run("httpd -p 80 -h /srv")?;
    wait_until("the kernel does not serve", || Ok(fetch(guest, ADDRESSES[0]).ok()))?;
    guest.run("kill $(pidof httpd); sleep 1; httpd -p 8081 -h /srv")?;
    guest.serve()?;
    down(guest)
}

/// What is sent comes back, and goes both ways at once.
fn up(guest: &mut Guest) -> Outcome {
    guest.end("TERM")?;
    guest.echo()?;
    let echoed = guest.host.inside(|| {
        let connected = || Ok(connect(ADDRESSES[0], 7000).ok());
        let mut stream = wait_until("nobody echoes", connected)?;
        let sent = content();
        let mut writer = stream.try_clone()?;
        let mut back = vec![0; sent.len()];
        thread::scope(|scope| -> Outcome {
            let writing = scope.spawn(|| writer.write_all(&sent));
            stream.read_exact(&mut back)?;
            writing.join().map_err(|_| "the writer panicked")??;
            Ok(())
        })?;
        if back == sent { Ok(()) } else { Err("other bytes than were sent".into()) }
    });
    guest.end("9")?;
    guest.serve()?;
    echoed
}

/// It finds the interface, whatever it says of it.
fn doctor(guest: &mut Guest) -> Outcome {
    let said = guest.run("crore doctor --net stack:eth0 -c 1000 2>&1; [ $? -lt 2 ]")?;
    if said.contains("eth0") { Ok(()) } else { Err(said.into()) }
}

/// A page by the kernel of the machine.
fn ask(guest: &Guest, address: &str, port: u16) -> Outcome {
    guest.host.inside(|| {
        let mut stream = connect(address, port)?;
        stream.write_all(b"GET /small HTTP/1.0\r\n\r\n")?;
        read_until(&mut stream, b"small\n")
    })
}

fn connect(address: &str, port: u16) -> Outcome<TcpStream> {
    let to = SocketAddr::new(address.parse::<IpAddr>()?, port);
    let stream = TcpStream::connect_timeout(&to, Duration::from_secs(SECONDS));
    let stream = stream.map_err(|error| format!("{to}: {error}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(SECONDS)))?;
    stream.set_write_timeout(Some(Duration::from_secs(SECONDS)))?;
    Ok(stream)
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> Outcome {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while !said.ends_with(end) {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(format!("closed after {}", String::from_utf8_lossy(&said)).into());
        }
        said.extend(&piece[..length]);
    }
    Ok(())
}
