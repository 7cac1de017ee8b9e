//! Plays a script against the library as packetdrill does: one thread goes through the events, and
//! calls that block are made by a second one. Invariant: an event that does not happen as the script
//! says ends the play with its line.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crore_packetdrill::{Table, packetdrill_interface_init};

use crate::assertion;
use crate::calls::{Caller, Given, Handle};
use crate::peer::{self, Peer};
use crate::script::{Call, Event, Kind, Script, Segment, Time, What};

/// packetdrill's own: `--tolerance_usecs`.
const TOLERANCE: i64 = 4_000;
const REMOTE_PORT: u16 = 50_001;

/// A call that blocks, under way in a thread of its own.
struct Blocked {
    line: usize,
    call: Call,
    /// When it is to return.
    end: i64,
    thread: JoinHandle<()>,
    given: Receiver<Result<(Given, i64), String>>,
}

struct Player<'a> {
    caller: Caller,
    peer: Peer,
    start: i64,
    tolerance: i64,
    last: i64,
    listens: bool,
    blocked: Option<Blocked>,
    settings: &'a std::path::Path,
    /// The socket that assertions are about.
    under_test: i64,
}

/// Plays it. `flags` are packetdrill's `--so_flags`; `settings` a file of this play's own.
pub fn play(
    script: Script,
    flags: &str,
    ipv6: bool,
    settings: &std::path::Path,
) -> Result<(), String> {
    std::fs::write(settings, defaults(flags)).map_err(|error| error.to_string())?;
    let flags = CString::new(format!("{flags},settings={}", settings.display()));
    let mut table = MaybeUninit::<Table>::uninit();
    // SAFETY: a string with its zero, and room for the table, which is filled.
    let table = unsafe {
        packetdrill_interface_init(flags.expect("no zero in it").as_ptr(), table.as_mut_ptr());
        table.assume_init()
    };
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let (server, any, local) = match ipv6 {
        false => ("192.0.2.1:8080", "0.0.0.0:8080", "192.168.0.1:8080"),
        true => ("[fd3d:fa7b:d17d::1]:8080", "[::]:8080", "[fd3d:a0b:17d6::1]:8080"),
    };
    let caller = Caller {
        table: Handle(table),
        descriptors: Default::default(),
        server: address(server),
        any: address(any),
        domain: if ipv6 { libc::AF_INET6 } else { libc::AF_INET },
    };
    let tolerance = script.options.iter().find(|(name, _)| name == "tolerance_usecs");
    let tolerance = tolerance.and_then(|(_, value)| value.parse().ok()).unwrap_or(TOLERANCE);
    let start = caller.time() + 250;
    let mut player = Player {
        caller,
        peer: Peer { local: Some(address(local)), ..Peer::default() },
        start,
        tolerance,
        last: 0,
        listens: false,
        blocked: None,
        settings,
        under_test: -1,
    };
    for event in script.events {
        let line = event.line;
        player.one(event).map_err(|wrong| format!("line {line}: {wrong}"))?;
    }
    player.end_blocked()?;
    player.caller.free();
    Ok(())
}

/// What the suites set up for every script.
fn defaults(flags: &str) -> &'static str {
    match flags {
        "linux" => {
            "net.ipv4.tcp_rmem=4096 540000 15728640\nnet.ipv4.tcp_wmem=4096 262144 4194304\n\
             net.ipv4.tcp_ecn=0\nnet.ipv4.tcp_slow_start_after_idle=0\n\
             net.ipv4.tcp_syn_retries=5\nnet.ipv4.tcp_timestamps=1\nnet.ipv4.tcp_sack=1\n\
             net.ipv4.tcp_congestion_control=cubic\nnet.ipv4.tcp_early_retrans=3\n\
             net.ipv4.tcp_notsent_lowat=4294967295\nnet.ipv4.tcp_min_tso_segs=2\n"
        }
        _ => "",
    }
}

impl Player<'_> {
    fn now(&self) -> i64 {
        self.caller.time() - self.start
    }

    fn one(&mut self, event: Event) -> Result<(), String> {
        let time = self.absolute(event.time);
        self.collect()?;
        match event.what {
            What::SetUp(command) => self.set_up(&command),
            What::Segment { inbound: true, segment } => {
                self.wait_for(time);
                self.send(&segment)
            }
            What::Segment { inbound: false, segment } => self.expect(&segment, time),
            What::Icmp(icmp) => {
                self.wait_for(time);
                self.caller.send_packet(&self.peer.build_icmp(&icmp)?);
                Ok(())
            }
            What::Assert(code) => {
                self.wait_for(time);
                let fd = self.caller.descriptors.get(&self.under_test);
                let fd = *fd.ok_or("no socket to assert something of")?;
                assertion::check(&code, &self.caller.tcp_info(fd))
            }
            What::Call(call) => {
                self.wait_for(time);
                self.call(event.line, call, time)
            }
        }
    }

    /// The time of an event from the start of the script, and its end.
    fn absolute(&mut self, time: Time) -> Time {
        let base = if time.kind == Kind::Relative { self.now() } else { 0 };
        Time { at: base + time.at, end: time.end.map(|end| base + end), ..time }
    }

    fn wait_for(&mut self, time: Time) {
        if time.kind == Kind::Any {
            return;
        }
        loop {
            let left = time.at - self.now();
            if left <= 0 {
                break;
            }
            if left > 20 {
                self.caller.sleep(left - 20);
            }
        }
        self.last = time.at;
    }

    /// `sysctl name=value` and `set_sysctls.py /proc/sys/name=value`; anything else passes.
    fn set_up(&mut self, command: &str) -> Result<(), String> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(self.settings)
            .map_err(|error| error.to_string())?;
        for word in command.lines().filter_map(|line| {
            let line = line.trim().trim_end_matches('\\').trim();
            let at = line.find("net.").or_else(|| line.find("/proc/sys/"))?;
            Some(line[at..].trim_start_matches("/proc/sys/"))
        }) {
            writeln!(file, "{}", word.replace('/', ".")).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn send(&mut self, segment: &Segment) -> Result<(), String> {
        if self.listens || self.peer.remote.is_none() {
            let port = REMOTE_PORT;
            self.peer.remote = Some(SocketAddr::new(self.caller.server.ip(), port));
            self.listens = false;
        }
        let packet = self.peer.build(segment)?;
        self.caller.send_packet(&packet);
        Ok(())
    }

    fn expect(&mut self, wanted: &Segment, time: Time) -> Result<(), String> {
        let (mut got, mut first) = (0, None);
        while first.is_none() || got < wanted.length {
            let Some((at, bytes)) = self.caller.next_packet() else {
                return Err(format!("nothing is sent instead of {wanted:?}"));
            };
            let Some(sent) = peer::read(&bytes) else { continue };
            if wanted.flags.starts_with('S') && !wanted.flags.contains('.') {
                self.peer.local = Some(sent.source);
                self.peer.remote = Some(sent.destination);
            }
            if Some(sent.destination) != self.peer.remote {
                continue;
            }
            got += sent.length;
            let more = got < wanted.length;
            let mut part = wanted.clone();
            part.sequence += got - sent.length;
            if more {
                part.flags = part.flags.replace(['P', 'F'], "");
                if sent.header.flags.any(wire::tcp::Flags::PSH) {
                    part.flags.insert(0, 'P');
                }
            }
            let tell = |wrong| format!("{wrong}\n  wanted {wanted:?}\n  sent   {sent:?}");
            self.peer.compare(&part, &sent).map_err(tell)?;
            first.get_or_insert(at);
            if got > wanted.length {
                return Err(tell(format!("{got} bytes instead of {}", wanted.length)));
            }
        }
        self.check_time(first.unwrap_or_default() - self.start, time, self.last)?;
        if time.kind != Kind::Any {
            self.last = time.at;
        }
        Ok(())
    }

    fn check_time(&self, is: i64, time: Time, last: i64) -> Result<(), String> {
        if time.kind == Kind::Any {
            return Ok(());
        }
        // One percent of the time since the event before.
        let tolerance = self.tolerance.max((time.at - last) / 100);
        let end = time.end.unwrap_or(time.at);
        if is < time.at - tolerance || is > end + tolerance {
            return Err(format!("happened at {is} µs, not {} to {end}", time.at));
        }
        Ok(())
    }

    fn call(&mut self, line: usize, call: Call, time: Time) -> Result<(), String> {
        self.end_blocked()?;
        if !time.blocks {
            let given = self.caller.make(&call)?;
            return self.called(&call, given);
        }
        let (sender, given) = channel();
        let caller = Caller {
            descriptors: self.caller.descriptors.clone(),
            ..Caller { descriptors: Default::default(), ..self.caller }
        };
        let copy = Call {
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            error: call.error.clone(),
            ..call
        };
        let (name, tell_id) = channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: no arguments.
            let _ = name.send(unsafe { libc::gettid() });
            let answer = caller.make(&copy).map(|given| (given, caller.time()));
            let _ = sender.send(answer);
        });
        let id = tell_id.recv().map_err(|_| "the thread is gone")?;
        // As packetdrill: go on once the thread sleeps or is done.
        while !thread.is_finished() && !sleeps(id) {
            std::thread::yield_now();
        }
        let end = time.end.unwrap_or(time.at);
        self.blocked = Some(Blocked { line, call, end, thread, given });
        if self.blocked.as_ref().is_some_and(|one| one.thread.is_finished()) {
            self.end_blocked()?;
        }
        Ok(())
    }

    /// Takes the result of a call that blocked, if it has returned.
    fn collect(&mut self) -> Result<(), String> {
        match self.blocked.as_ref().map(|one| one.thread.is_finished()) {
            Some(true) => self.end_blocked(),
            _ => Ok(()),
        }
    }

    /// Waits, by the machine's own clock, for a call that blocks.
    fn end_blocked(&mut self) -> Result<(), String> {
        let Some(blocked) = self.blocked.take() else { return Ok(()) };
        let line = blocked.line;
        let wrong = |wrong: String| format!("the call of line {line}: {wrong}");
        let given = blocked.given.recv_timeout(Duration::from_secs(60));
        let (given, at) = given.map_err(|_| wrong("it does not return".into()))?.map_err(wrong)?;
        let time = Time { kind: Kind::Absolute, at: blocked.end, end: None, blocks: true };
        self.check_time(at - self.start, time, self.last).map_err(wrong)?;
        self.called(&blocked.call, given).map_err(wrong)
    }

    fn called(&mut self, call: &Call, given: Given) -> Result<(), String> {
        let descriptor = matches!(call.name.as_str(), "socket" | "accept" | "epoll_create");
        let right =
            given.result == call.result || descriptor && given.result >= 0 && call.result >= 0;
        if !right {
            return Err(format!("{}: {given:?} instead of {}", call.name, call.result));
        }
        if let Some(error) = call.error.as_deref().filter(|_| call.result < 0) {
            let wanted = crate::value::named(error).ok_or_else(|| format!("{error}?"))?;
            if i64::from(given.errno) != wanted {
                return Err(format!("{}: errno {} instead of {error}", call.name, given.errno));
            }
        }
        if descriptor && call.result >= 0 {
            self.caller.descriptors.insert(call.result, given.result as i32);
        }
        match call.name.as_str() {
            "socket" | "accept" if call.result >= 0 => self.under_test = call.result,
            "listen" => self.listens = true,
            _ => {}
        }
        Ok(())
    }
}

/// Whether a thread of this process sleeps, as /proc tells.
fn sleeps(id: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap_or_default();
    text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}
