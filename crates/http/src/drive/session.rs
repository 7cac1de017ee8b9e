//! A whole connection with a [`Probe`] on it: [`Session`], what can happen to it ([`Event`]), and
//! what must be true of it whatever happened ([`Session::finish`]).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use app::{Clock, End};

use super::{Answer, Driver, Probe, Wire, read_answers};
use crate::{Counters, Http, LiveSettings, Reason, Settings};

/// Something that happens to a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Bytes arrive.
    Receive(Vec<u8>),
    /// The network takes so many bytes.
    Take(usize),
    /// A wake that may be meant for nobody.
    Wake,
    /// Time passes, in milliseconds.
    Pass(u32),
    /// The peer closes its side.
    EndInput,
    /// The engine closes down.
    Drain,
    /// The peer resets the connection.
    Reset,
}

/// One connection to a [`Probe`].
#[derive(Debug)]
pub struct Session {
    driver: Driver<Http<Probe>>,
    counters: Arc<Counters>,
    live: Arc<LiveSettings>,
}

impl Session {
    /// Opens it. The date in its answers is 6 November 1994.
    #[must_use]
    pub fn open(settings: Settings, wire: Wire) -> Self {
        let clock = Arc::new(Clock::new(Duration::from_secs(784_111_776)));
        let counters = Arc::new(Counters::default());
        let live = Arc::new(LiveSettings::new(settings));
        let http = Http::new(Probe::default(), live.clone(), clock, Arc::clone(&counters));
        Self { driver: Driver::open(http, wire), counters, live }
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: Settings) {
        self.live.set(settings);
    }

    /// Something happens.
    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Receive(bytes) => self.driver.receive(&bytes),
            Event::Take(count) => self.driver.take(count),
            Event::Wake => self.driver.wake(),
            Event::Pass(millis) => self.driver.pass(Duration::from_millis(millis.into())),
            Event::EndInput => self.driver.end_input(),
            Event::Drain => self.driver.drain(),
            Event::Reset => self.driver.reset(),
        }
    }

    /// Bytes arrive, and every wake that is wanted comes.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.driver.receive(bytes);
        self.settle();
    }

    /// All that can happen without the peer sending more happens.
    pub fn settle(&mut self) {
        loop {
            while self.driver.leaving() > 0 {
                self.driver.take(usize::MAX);
            }
            if !self.driver.handler.service().takes_wake() {
                break;
            }
            self.driver.wake();
        }
    }

    /// The driver.
    pub const fn driver(&mut self) -> &mut Driver<Http<Probe>> {
        &mut self.driver
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was sent, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.driver.sent()).into_owned()
    }

    /// The answers that were sent.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn answers(&self) -> Result<Vec<Answer>, String> {
        let heads = &self.driver.handler.service().heads;
        read_answers(self.driver.sent(), |index| heads.get(index).is_some_and(|&head| head))
    }

    /// Ends the connection, if it is not over, and checks what must be true of every connection.
    ///
    /// # Errors
    /// What is not true, in words.
    pub fn finish(&mut self) -> Result<Vec<Answer>, String> {
        self.settle();
        self.driver.end_input();
        self.settle();
        // Whatever waits now waits for a body or a service that will not come.
        self.driver.reset();
        let answers = self.answers()?;
        let probe = self.driver.handler.service();
        let finals = answers.iter().filter(|answer| answer.status >= 200).count();
        let refused: u64 = Reason::ALL.iter().map(|reason| self.counters.refused(*reason)).sum();
        let requests = self.counters.requests.get();
        if finals as u64 > requests + refused {
            return Err(alloc::format!("{finals} answers to {requests} requests"));
        }
        if refused > 1 {
            return Err(alloc::format!("refused {refused} times"));
        }
        if probe.open() != 0 {
            return Err(alloc::format!("{} exchanges not done", probe.open()));
        }
        if self.counters.exchanges.get() != 0 {
            return Err(alloc::format!("{} exchanges held", self.counters.exchanges.get()));
        }
        let was_cut = answers.iter().any(|answer| !answer.is_whole);
        if was_cut && self.driver.end() == Some(End::Closed) {
            return Err(String::from("closed in the middle of an answer"));
        }
        Ok(answers)
    }
}
