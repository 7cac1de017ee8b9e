//! A connection's life as a string of bytes: [`Script`]. Any bytes are a script, so that fuzzing
//! never wastes one.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Event, Session, Wire};
use crate::{Pace, Settings};

/// Requests that a script can have arrive by their number.
pub const REQUESTS: &[&[u8]] = &[
    b"GET /owned/40 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /memory/20000?told HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /file/9000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /file/9000?told HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /many/3000?told HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /short/5000?told HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /later/2 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /head/3000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /close?told HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /many/3000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /status/999 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /owned/40 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n",
    b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /collect-later HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    b"POST /owned/9 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /owned/9?told HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n",
    b"POST /file/9000 HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n",
    b"POST /later/1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    b"5;x=y\r\nhello\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"0000000000000000000000000000000000000000",
];

/// Bytes read as what happens to a connection.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    bytes: &'a [u8],
}

impl<'a> Script<'a> {
    /// The script that these bytes are.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Opens a connection and lets everything happen.
    #[must_use]
    pub fn play(mut self) -> Session {
        let room = usize::from(self.byte());
        let wire = self.byte();
        let wire = Wire {
            room: if room < 128 { room + 1 } else { (room - 127) * 512 },
            attachable: wire & 1 == 0,
            eager: wire & 2 == 0,
        };
        let pace = Pace { window: Duration::from_secs(2), bytes: 200 };
        let settings = Settings {
            body_pace: pace,
            send_pace: pace,
            header_bytes: 1_000,
            target_bytes: 500,
            header_lines: 10,
            body_bytes: 20_000,
            discard_bytes: 1_000,
            exchanges: u32::from(wire.eager || room % 8 != 0),
            ..Settings::default()
        };
        let mut session = Session::open(settings, wire);
        while let Some(event) = self.event() {
            match event {
                Some(event) => session.happen(event),
                None => session.settle(),
            }
        }
        session
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&byte, rest)) => {
                self.bytes = rest;
                byte
            }
            None => 0,
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        taken.to_vec()
    }

    /// The next event; `Some(None)` when everything that can happen by itself is to happen.
    fn event(&mut self) -> Option<Option<Event>> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(Some(match self.byte() % 16 {
            0..4 => {
                let count = usize::from(self.byte()) + 1;
                Event::Receive(self.take(count))
            }
            4..7 => Event::Receive(REQUESTS[usize::from(self.byte()) % REQUESTS.len()].to_vec()),
            7 => {
                // A request cut off somewhere.
                let request = REQUESTS[usize::from(self.byte()) % REQUESTS.len()];
                let end = usize::from(self.byte()).min(request.len());
                Event::Receive(request[..end].to_vec())
            }
            8 => Event::Take(usize::from(self.byte())),
            9 => Event::Take(usize::from(self.byte()) * 256),
            10 => Event::Wake,
            11 => Event::Pass(u32::from(self.byte()) * 50),
            12 if self.byte() < 64 => Event::EndInput,
            13 if self.byte() < 64 => Event::Drain,
            14 if self.byte() < 32 => Event::Reset,
            _ => return Some(None),
        }))
    }
}
