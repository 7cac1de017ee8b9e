//! The loop over virtual time: whoever is due next has its turn, and after each one everything has
//! to add up. Invariant: time never goes back, and nothing but the seed decides what happens.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use app::{DialError, End};
use base::Instant;

use crate::host::{Host, number};
use crate::network::Network;
use crate::odd_peer::OddPeer;
use crate::scenario::{Call, Scenario};
use crate::stranger::Stranger;
use crate::talk::{Closer, Over, Unfinished};

/// How long all that is to be done may take once the faults have stopped: the user timeout and
/// more.
const FINISH: Duration = Duration::from_secs(1_200);
/// How long it may take after that until the last record is gone: FIN-WAIT-2, TIME-WAIT, the last
/// retransmissions.
const VANISH: Duration = Duration::from_secs(900);
/// When connections that rest are asked to close, counted from the end of the faults.
const REST: Duration = Duration::from_secs(8);
/// Before a connection that was refused is tried again.
const AGAIN: Duration = Duration::from_millis(700);
/// Turns of all hosts after which a simulation goes nowhere.
const TURNS_MAX: u64 = 3_000_000;

/// Everything there is, at one time.
pub(crate) struct World {
    pub(crate) network: Rc<RefCell<Network>>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) strangers: Vec<Stranger>,
    calls: BTreeMap<(Instant, u64), Call>,
    called: u64,
    jumps: Vec<(Instant, usize, Duration)>,
    pub(crate) now: Instant,
    /// Connections begun.
    pub(crate) begun: u64,
    turns: u64,
    tight: bool,
}

impl World {
    pub(crate) fn new(seed: u64, scenario: Scenario) -> Self {
        let network = Rc::new(RefCell::new(Network::new(seed)));
        let host = |plan: &crate::scenario::HostPlan| {
            let clock = (plan.ahead, plan.ports);
            let mut host = Host::new(&network, plan.number, plan.line, &plan.config, clock);
            host.slow = plan.slow;
            host
        };
        let hosts: Vec<Host> = scenario.hosts.iter().map(host).collect();
        let first = hosts.len() as u8 + 1;
        let odd = |(number, &(kind, bytes)): (u8, &(_, u32))| {
            Stranger::Odd(OddPeer::new(&network, number, kind, bytes))
        };
        let strangers = (first..).zip(&scenario.odd_peers).map(odd).collect();
        let mut world = Self {
            network,
            hosts,
            strangers,
            calls: BTreeMap::new(),
            called: 0,
            jumps: scenario.jumps,
            now: Instant::ZERO,
            begun: 0,
            turns: 0,
            tight: scenario.tight,
        };
        scenario.calls.into_iter().for_each(|call| world.schedule(call));
        world
    }

    pub(crate) fn schedule(&mut self, call: Call) {
        self.called += 1;
        self.calls.insert((call.at, self.called), call);
    }

    /// Goes on until `done` or until `until` has come; says whether it was done.
    pub(crate) fn run(
        &mut self,
        until: Instant,
        done: impl Fn(&Self) -> bool,
    ) -> Result<bool, String> {
        loop {
            if done(self) {
                return Ok(true);
            }
            let next = self.next().unwrap_or(until);
            if next >= until {
                self.advance(until);
                return Ok(false);
            }
            self.advance(next);
            self.step()?;
        }
    }

    fn advance(&mut self, to: Instant) {
        self.now = self.now.max(to);
        self.network.borrow_mut().now = self.now;
    }

    /// When anything happens next.
    fn next(&self) -> Option<Instant> {
        let arrival = self.network.borrow().next_arrival();
        let call = self.calls.first_key_value().map(|((at, _), _)| *at);
        let jump = self.jumps.iter().map(|(at, ..)| *at).min();
        let stranger = self.strangers.iter().filter_map(|peer| peer.due(self.now)).min();
        let host = self.hosts.iter().filter_map(|host| host.due(self.now)).min();
        [arrival, call, jump, stranger, host].into_iter().flatten().min()
    }

    /// All that is due now.
    fn step(&mut self) -> Result<(), String> {
        self.network.borrow_mut().deliver();
        while let Some(entry) = self.calls.first_entry()
            && entry.key().0 <= self.now
        {
            let call = entry.remove();
            self.call(call);
        }
        let (now, hosts) = (self.now, &mut self.hosts);
        self.jumps.retain(|&(at, host, span)| {
            if at <= now {
                hosts[host].jump(span);
            }
            at > now
        });
        for peer in &mut self.strangers {
            peer.act(self.now)?;
        }
        for index in 0..self.hosts.len() {
            if self.hosts[index].due(self.now).is_some_and(|due| due <= self.now) {
                self.turns += 1;
                self.hosts[index].turn(self.now)?;
                self.try_again(index)?;
            }
        }
        if self.turns > TURNS_MAX { Err("it goes on without end".into()) } else { Ok(()) }
    }

    fn call(&mut self, call: Call) {
        let Call { client, server, ipv6, plan, .. } = call;
        self.hosts[client].connect(server, ipv6, plan);
        self.begun += 1;
        self.network.borrow_mut().trace.number(self.begun);
    }

    /// Connections that were refused or had to make way are tried again; that is all that may
    /// befall one.
    fn try_again(&mut self, client: usize) -> Result<(), String> {
        for Unfinished { mut plan, to, why } in
            std::mem::take(&mut self.hosts[client].app.unfinished)
        {
            let expected = match why {
                // There is no room now, or the ends are still in TIME-WAIT.
                Over::Unmade(DialError::Full | DialError::InUse) => {
                    let (at, server, ipv6) = (self.now + AGAIN, number(to), to.is_ipv6());
                    self.begun -= 1;
                    self.schedule(Call { at, client, server, ipv6, plan });
                    continue;
                }
                Over::Unmade(DialError::LocalAddress) => continue,
                Over::Unmade(DialError::Refused | DialError::TimedOut | DialError::Reset) => {
                    self.tight
                }
                Over::Ended(End::Reset | End::TimedOut | End::Evicted) => self.tight,
                Over::Unmade(_) | Over::Ended(_) => false,
            };
            if !expected {
                return Err(format!("a connection of host {} was over: {why:?}", client + 1));
            }
            // With one round left nothing but the handshake is rest that somebody could cut short.
            let last = plan.rounds.len() - 1;
            plan.rounds.drain(..last);
            let at = self.now + AGAIN;
            self.schedule(Call { at, client, server: 1, ipv6: false, plan });
        }
        Ok(())
    }

    /// Whether every plan has been followed to its end, but for those that rest.
    pub(crate) fn all_done(&self) -> bool {
        let waits = |host: &Host| {
            host.app.talks.iter().any(|talk| {
                let rests = talk.is_done() && talk.plan.closer == Closer::Stay;
                !talk.plan.rounds.is_empty() && talk.end.is_none() && !rests
            })
        };
        self.calls.is_empty() && !self.hosts.iter().any(waits)
    }

    fn nothing_left(&self) -> bool {
        self.strangers.iter().all(Stranger::is_over)
            && self.hosts.iter().all(|host| host.left_over() == (0, 0) && !host.app.is_busy())
    }

    /// The whole of a simulation.
    pub(crate) fn live(&mut self, calm_at: Instant) -> Result<(), String> {
        self.run(calm_at, |_| false)?;
        self.network.borrow_mut().calm();
        for host in &mut self.hosts {
            host.slow = 0;
        }
        // Those that rest hold places that others may be waiting for.
        self.run(calm_at + REST, Self::all_done)?;
        let now = self.now;
        self.hosts.iter_mut().for_each(|host| host.finish(now));
        if !self.run(now + FINISH, Self::all_done)? {
            return Err(format!("not finished {} s after the faults stopped", FINISH.as_secs()));
        }
        if !self.run(self.now + VANISH, Self::nothing_left)? {
            let left: Vec<_> = self.hosts.iter().map(Host::left_over).collect();
            return Err(format!("records and buffers left at the end: {left:?}"));
        }
        if !self.tight && self.strangers.iter().any(Stranger::was_let_down) {
            return Err("a peer that shrinks its window did not get everything".into());
        }
        Ok(())
    }
}
