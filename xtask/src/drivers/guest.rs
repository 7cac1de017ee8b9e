//! A virtual machine on a wire of its own: [`Guest`]. The wire's other end is a TAP device in a network
//! namespace of this machine, where clients are. Invariant: machine and namespace are gone when it is
//! dropped.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rig::namespace::Namespace;
use rig::process::Process;

use super::cases::Case;
use super::image::Image;
use crate::Outcome;

/// The machine's addresses.
pub const ADDRESSES: [&str; 2] = ["10.9.0.2", "fd09::2"];
/// Its kernel listens here, with busybox.
pub const BESIDE: u16 = 8081;
/// The client's end of the wire.
const TAP: &str = "tap0";
/// How long the machine may take to come up, and a command in it to end: code is translated, and the
/// processors may be busy.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);

/// Before anything is served. Addresses are to stay when the interface goes down, and be there at once.
const SETTLE: &str = "cd /proc/sys/net/ipv6/conf; \
     for of in all default eth0; do echo 0 > $of/accept_dad; echo 1 > $of/keep_addr_on_down; done; \
     cd /; ip address add 10.9.0.2/24 dev eth0; ip address add fd09::2/64 dev eth0; \
     ip link set eth0 up; sleep 3; echo 64 > /proc/sys/vm/nr_hugepages";

pub struct Guest {
    // Before the host: it is on it.
    machine: Process,
    pub host: Namespace,
    net: &'static str,
    console: PathBuf,
    line: UnixStream,
    monitor: UnixStream,
}

impl Guest {
    /// Boots a machine with the card and gives it its addresses.
    pub fn start(image: &Image, case: &Case) -> Outcome<Self> {
        let host = Namespace::new()?;
        let at = |name: &str| image.folder().join(name);
        let [line, monitor, console] = [at("line"), at("monitor"), at("console")];
        let mut machine = Process::start(command(image, case, &host, [&line, &monitor, &console]))?;
        let connect = |machine: &mut Process, path: &Path| {
            wait_until("QEMU does not start", || {
                if machine.ended()?.is_some() {
                    return Err(format!("QEMU ended: {}", machine.printed()?).into());
                }
                Ok(UnixStream::connect(path).ok())
            })
        };
        let [line, monitor] = [connect(&mut machine, &line)?, connect(&mut machine, &monitor)?];
        line.set_read_timeout(Some(PATIENCE))?;
        host.run(&format!("ip address add 10.9.0.1/24 dev {TAP}"))?;
        host.run(&format!("ip address add fd09::1/64 dev {TAP} nodad"))?;
        host.run(&format!("ip link set {TAP} up mtu {}", case.mtu))?;
        let mut guest = Self { machine, host, net: case.net, console, line, monitor };
        guest.answer("start")?;
        guest.run(&format!("modprobe {}", case.driver))?;
        guest.run(SETTLE)?;
        guest.run(&format!("ip link set eth0 mtu {}", case.mtu))?;
        guest.run(&format!("httpd -p {BESIDE} -h /srv"))?;
        Ok(guest)
    }

    /// Runs a line of shell in the machine and gives what it printed.
    pub fn run(&mut self, line: &str) -> Outcome<String> {
        writeln!(self.line, "{line}")?;
        self.answer(line)
    }

    fn answer(&mut self, line: &str) -> Outcome<String> {
        const END: &[u8] = b"=EXIT ";
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let ended = said.windows(END.len()).rposition(|window| window == END);
            if let Some(at) = ended.filter(|_| said.ends_with(b"\n")) {
                let (text, code) = said.split_at(at);
                let text = String::from_utf8_lossy(text).into_owned();
                let code = String::from_utf8_lossy(&code[END.len()..]).trim().to_owned();
                return if code == "0" {
                    Ok(text)
                } else {
                    Err(format!("{line}: {code}\n{text}").into())
                };
            }
            let length = self.line.read(&mut piece).map_err(|error| format!("{line}: {error}"))?;
            if length == 0 {
                return Err(format!("{line}: the machine is gone").into());
            }
            said.extend(&piece[..length]);
        }
    }

    /// Starts the server, and gives the start line from the mode to the queues.
    pub fn serve(&mut self) -> Outcome<String> {
        let serve = format!("crore serve --net {} -l 0.0.0.0:80 -l [::]:80 /srv", self.net);
        let log = self.launch(&serve, "limits")?;
        let said = log.split_once("; ").and_then(|(_, rest)| rest.split_once(", "));
        let said = said.and_then(|(_, rest)| rest.split_once(" queue")).map(|(said, _)| said);
        Ok(said.ok_or_else(|| format!("no start line:\n{log}"))?.to_owned() + " queue(s)")
    }

    /// Starts the program that echoes, at port 7000.
    pub fn echo(&mut self) -> Outcome {
        let interface = self.net.trim_start_matches("xdp:").split(['/', ' ']).next();
        let interface = interface.unwrap_or_default();
        self.launch(&format!("echo_on_interface {interface} 0.0.0.0:7000"), "echo on").map(drop)
    }

    fn launch(&mut self, program: &str, until: &str) -> Outcome<String> {
        self.run(&format!(
            "rm -f /tmp/log; {program} >/tmp/log 2>&1 & for i in $(seq 600); do \
             grep -q '{until}' /tmp/log && break; [ -d /proc/$! ] || break; sleep 0.1; done; cat /tmp/log"
        ))
    }

    /// Ends whatever serves, by this signal, and waits until it is gone.
    pub fn end(&mut self, signal: &str) -> Outcome {
        self.run(&format!(
            "killall -{signal} crore echo_on_interface 2>/dev/null; for i in $(seq 300); do \
             pidof crore echo_on_interface >/dev/null || break; sleep 0.1; done; \
             ! pidof crore echo_on_interface"
        ))
        .map(drop)
    }

    /// Pulls the cable, or puts it back.
    pub fn plug(&mut self, on: bool) -> Outcome {
        Ok(writeln!(self.monitor, "set_link n {}", if on { "on" } else { "off" })?)
    }

    /// What there is to know after a failure.
    pub fn report(&mut self) -> String {
        let said = self.run("cat /tmp/log; ifconfig -a; dmesg | tail -n 5");
        said.unwrap_or_else(|error| {
            let console = std::fs::read_to_string(&self.console).unwrap_or_default();
            let qemu = self.machine.printed().unwrap_or_default();
            let last: Vec<&str> = console.lines().rev().take(20).collect();
            format!("{error}\n{qemu}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
        })
    }
}

fn command(image: &Image, case: &Case, host: &Namespace, paths: [&Path; 3]) -> Command {
    let [line, monitor, console] = paths.map(|path| path.display().to_string());
    let queues = if case.queues > 1 { format!(",queues={}", case.queues) } else { String::new() };
    let mut command = host.command("setpriv");
    // However this process ends.
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args(["-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2"]);
    command.args(["-m", "1024", "-display", "none", "-nodefaults", "-no-reboot"]);
    command.arg("-kernel").arg(image.kernel()).arg("-initrd").arg(image.initrd());
    command.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
    command.args(["-serial", &format!("file:{console}")]);
    command.args(["-serial", &format!("unix:{line},server=on,wait=off")]);
    command.args(["-monitor", &format!("unix:{monitor},server=on,wait=off")]);
    let wire = format!("tap,id=n,ifname={TAP},script=no,downscript=no,vhost=off{queues}");
    command.args(["-netdev", &wire]);
    command.args(["-device", &format!("{},netdev=n,mac=52:54:00:00:00:01", case.card)]);
    command
}

/// Asks again until there is something.
pub fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = ask()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(what.into());
        }
        thread::sleep(PAUSE);
    }
}
