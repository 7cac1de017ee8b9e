//! Connections that we open, because the handler asked for them. Invariant: what the handler asked
//! for is begun, or refused to it at once; and what is begun leads to `open` or to `undialled`.

use core::net::SocketAddr;
use core::time::Duration;

use app::{Dial, DialError, Handler, Remote};
use base::Seq;
use port::Port;
use tcp::{Body, Flow, Opening, Tuple, initial_sequence_number};

use super::{Core, tcp_turn};

/// Connections begun in one turn at most. More than a batch of packets would be more SYNs than
/// the answers can be taken in for.
const DIALS_A_TURN: u32 = 64;

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Asks the handler what to open, and begins it. Some working blocks are left for the
    /// connections there are. Gives how many.
    pub(super) fn dial<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        let mut dialled = 0;
        while dialled < DIALS_A_TURN
            && !self.draining
            // Each segment in flight may want a block.
            && !self.blocks.are_scarce_beside(self.replies.taken())
            && let Some(dial) = app.dial(self.now)
        {
            dialled += 1;
            if let Err(why) = self.open(&dial) {
                self.counters.undialled.add(1);
                app.undialled(self.now, dial.conn, why);
            }
        }
        dialled
    }

    fn open(&mut self, dial: &Dial<C>) -> Result<(), DialError> {
        let Remote::Inet(remote) = dial.to else { return Err(DialError::Unsupported) };
        if self.is_full() {
            return Err(DialError::Full);
        }
        let ends = self.ends_for(remote, dial.from)?;
        let local = self.link.addresses.index(ends.local).ok_or(DialError::LocalAddress)?;
        let flow = Flow::new(ends.remote, ends.remote_port, local, ends.local_port);
        let hash = self.flows.hash(&flow);
        let after = match self.flows.find(hash, &flow) {
            None => None,
            Some(slot) => Some(self.reopen(slot).ok_or(DialError::InUse)?),
        };
        let iss = self.sequence_number(&ends, after);
        let mss = self.link.mss(ends.remote);
        let opening = Opening { iss, mss, ipv6: ends.remote.is_ipv6() };
        if self.attempt((flow, hash), &ends, &opening, dial).is_some() {
            return Ok(());
        }
        let block = self.begin(flow, hash).ok_or(DialError::Full)?;
        let slot = self.blocks[block].slot;
        if let Some(record) = self.flows.get_mut(slot) {
            record.conn = dial.conn;
        }
        let working = &mut self.blocks[block];
        working.tcp.connect(&tcp_turn!(self), &opening);
        working.sent_to = working.tcp.end();
        working.timer = Some(self.now + dial.within.max(Duration::from_millis(1)));
        // The SYN goes out with the next turn, or at once where that is possible.
        self.output(block);
        self.arm(block);
        Ok(())
    }

    /// Ends a TIME-WAIT for a new connection between the same ends, if that is safe already (RFC
    /// 6191); gives the number that those of the new one must be after.
    fn reopen(&mut self, slot: u32) -> Option<Seq> {
        let Body::TimeWait(time_wait) = self.flows.get(slot)?.body else { return None };
        let after = time_wait.reopen(&self.settings.tcp, self.now)?;
        self.forget(slot);
        Some(after)
    }

    /// The initial sequence number of a connection between these ends, after one of an earlier
    /// connection's.
    pub(super) fn sequence_number(&self, ends: &Tuple, after: Option<Seq>) -> Seq {
        let iss = initial_sequence_number(self.settings.sequence_key, ends, self.now);
        after.map_or(iss, |after| iss.max(after + 1))
    }

    /// Both ends of a connection to `remote`; the near one is chosen as far as it is not given.
    fn ends_for(
        &mut self,
        remote: SocketAddr,
        from: Option<SocketAddr>,
    ) -> Result<Tuple, DialError> {
        let (address, port) = from.map_or((None, 0), |from| (Some(from.ip()), from.port()));
        let ends = |local, local_port| Tuple {
            local,
            local_port,
            remote: remote.ip(),
            remote_port: remote.port(),
        };
        let addresses = &self.link.addresses;
        let candidates = match address.filter(|address| !address.is_unspecified()) {
            Some(given) if given.is_ipv4() == remote.is_ipv4() => addresses.only(given),
            Some(_) => 0..0,
            None => addresses.towards(remote.ip()),
        };
        if candidates.is_empty() {
            return Err(DialError::LocalAddress);
        }
        let address = |number| addresses.sorted(number).unwrap_or(remote.ip());
        if port != 0 {
            return Ok(ends(address(candidates.start), port));
        }
        let (flows, listeners) = (&self.flows, &self.listeners);
        let (config, now) = (&self.settings.tcp, self.now);
        // What only waits out its TIME-WAIT makes way as soon as that is safe.
        let makes_way = |slot| match flows.get(slot).map(|record| &record.body) {
            Some(Body::TimeWait(time_wait)) => time_wait.reopen(config, now).is_some(),
            _ => false,
        };
        let is_free = |number, port| {
            let local = addresses.index(address(number)).unwrap_or_default();
            let flow = Flow::new(remote.ip(), remote.port(), local, port);
            !listeners.iter().any(|listener| listener.port == port)
                && flows.find(flows.hash(&flow), &flow).is_none_or(makes_way)
        };
        let (number, port) =
            self.ports.choose(remote, candidates, is_free).ok_or(DialError::NoLocalPort)?;
        Ok(ends(address(number), port))
    }
}
