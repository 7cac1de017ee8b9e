//! Servers for connections by the million.
//!
//! A program gives crore a [`Handler`] that says what happens on a connection. crore does the rest:
//! it listens, accepts, reads, writes, keeps the time, and holds each connection that has nothing
//! to do in about a hundred bytes.
//!
//! ```no_run
//! use crore::{Cx, Error, Handler, Server, Step};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Conn = ();
//!
//!     fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
//!         let echoed = cx.out.put_some(rx);
//!         if echoed < rx.len() { Step::write(echoed) } else { Step::idle(echoed) }
//!     }
//! }
//!
//! fn main() -> Result<(), Error> {
//!     Server::new().listen("127.0.0.1:7000").run(|_shard| Echo)
//! }
//! ```
//!
//! For a web server there is [`http`]: give [`ShardContext::http`] a function from a request to its
//! answer, and what it returns is a handler.
//!
//! # How a service is written
//!
//! A handler is a state machine. It never calls the network; it is called, does what can be done
//! now, and says in a [`Step`] what it waits for. It must not block: everything else on its shard
//! would wait too.
//!
//! | called | when | usual answer |
//! | --- | --- | --- |
//! | [`open`](Handler::open) | a connection is there | [`Step::idle`] |
//! | [`data`](Handler::data) | bytes are there that were not consumed yet, or none will come any more | [`Step::read`], [`Step::idle`], [`Step::write`] |
//! | [`room`](Handler::room) | what was put out has been taken, and the last step was [`Step::write`] | [`Step::write`] until all is out |
//! | [`wake`](Handler::wake) | another thread woke this connection | [`Step::stay`] |
//! | [`timer`](Handler::timer) | the time set by [`Step::within`] has passed | [`Step::close`] |
//! | [`drain`](Handler::drain) | the server is stopping and the connection is not idle | [`Step::stay`], then [`Step::close`] when done |
//! | [`end`](Handler::end) | the connection is over | |
//! | [`dial`](Handler::dial) | all the time: is there a connection to open? | a [`Dial`], or none |
//! | [`undialled`](Handler::undialled) | a connection that was to be opened was not made | |
//!
//! This one answers each line it gets with the line's length:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use crore::{Cx, Handler, LocalAddress, Server, Step};
//!
//! /// How long a client may rest between lines.
//! const REST: Duration = Duration::from_secs(60);
//! /// How long a line may take from its first byte to its last.
//! const LINE: Duration = Duration::from_secs(5);
//!
//! struct Lengths;
//!
//! impl Handler for Lengths {
//!     type Conn = ();
//!
//!     fn open(&mut self, _: &mut Cx<'_, ()>) -> Step {
//!         Step::idle(0).within(REST)
//!     }
//!
//!     fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
//!         let mut consumed = 0;
//!         while let Some(length) = rx[consumed..].iter().position(|&byte| byte == b'\n') {
//!             if cx.out.put(format!("{length}\n").as_bytes()).is_err() {
//!                 // The output is full. The rest of the lines stays where it is; it is offered
//!                 // again once the client has taken the answers so far.
//!                 return Step::write(consumed);
//!             }
//!             consumed += length + 1;
//!         }
//!         if consumed == rx.len() {
//!             Step::idle(consumed).within(REST)
//!         } else if consumed > 0 {
//!             // Half a line: it is offered again, with what follows it.
//!             Step::read(consumed).within(LINE)
//!         } else {
//!             // Still half a line. Its time goes on running.
//!             Step::read(0)
//!         }
//!     }
//!
//!     fn timer(&mut self, _: &mut Cx<'_, ()>) -> Step {
//!         Step::close()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new().listen("127.0.0.1:0").start(|_shard| Lengths)?;
//! let LocalAddress::Inet(address) = server.addresses()[0] else { unreachable!() };
//!
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(b"one\ntwenty-two\n")?;
//! let mut answer = [0; 5];
//! client.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"3\n10\n");
//! # Ok(())
//! # }
//! ```
//!
//! What it shows:
//!
//! - **Input.** `rx` holds everything that has arrived and was not consumed. A handler consumes
//!   what it can use and leaves the rest; it needs no buffers of its own. Up to
//!   [`Server::max_held_bytes`] may be left.
//! - **Output.** [`Cx::out`] takes what there is room for. When it is full, [`Step::write`] has the
//!   handler called again once the network has taken it. A slow reader thus costs the handler's
//!   state and no queue of data.
//! - **Idle or read.** Both wait for input. [`Step::idle`] says besides that nothing is owed to the
//!   peer: such a connection may be closed at any time, for a new one when the server is full
//!   ([`Server::evict_idle`]) or when the server stops.
//! - **Time.** Each connection has one timer. [`Step::within`] sets it, [`Step::untimed`] stops it,
//!   every other step leaves it alone. [`Cx::now`] is the time, without asking the kernel.
//! - **The end of input.** When the peer closes its side, `data` is called once more with what is
//!   left and [`Cx::input_ended`] set; a step that wants to read more then closes the connection.
//!
//! # Remembering
//!
//! [`Handler::Conn`] is what the handler remembers of a connection: plain data, at most 16 bytes,
//! because it lives in the connection's own record and is all that an idle connection costs beside
//! it. What needs more goes into a table in the handler, with the index in `Conn`, and only for as
//! long as it is needed.
//!
//! The handler itself is made once for each shard, on the shard's thread, by the function given to
//! [`Server::start`] or [`Server::run`]. It is called by that thread alone and needs no locks. What
//! shards share, the function captures in an [`Arc`](std::sync::Arc).
//!
//! # Waking a connection from elsewhere
//!
//! Whatever takes long (a database, a file, another connection) happens on another thread. That
//! thread leaves the result where the handler finds it and wakes the connection by its [`ConnId`].
//! This handler tells every client the latest news:
//!
//! ```
//! use std::io::Read;
//! use std::net::TcpStream;
//! use std::sync::{Arc, Mutex};
//!
//! use crore::{ConnId, Cx, End, Handler, LocalAddress, Server, Step};
//!
//! #[derive(Default)]
//! struct News {
//!     edition: u64,
//!     readers: Vec<ConnId>,
//! }
//!
//! struct Paper(Arc<Mutex<News>>);
//!
//! impl Handler for Paper {
//!     /// The edition this client has been sent.
//!     type Conn = u64;
//!
//!     fn open(&mut self, cx: &mut Cx<'_, u64>) -> Step {
//!         self.0.lock().unwrap().readers.push(cx.id);
//!         self.room(cx)
//!     }
//!
//!     fn data(&mut self, _: &mut Cx<'_, u64>, rx: &[u8]) -> Step {
//!         Step::idle(rx.len())
//!     }
//!
//!     fn wake(&mut self, cx: &mut Cx<'_, u64>) -> Step {
//!         // While earlier output is still leaving there is no room, and `room` comes later.
//!         if cx.unsent > 0 { Step::write(0) } else { self.room(cx) }
//!     }
//!
//!     fn room(&mut self, cx: &mut Cx<'_, u64>) -> Step {
//!         let edition = self.0.lock().unwrap().edition;
//!         if *cx.conn < edition && cx.out.put(format!("edition {edition}\n").as_bytes()).is_ok() {
//!             *cx.conn = edition;
//!         }
//!         Step::idle(0)
//!     }
//!
//!     fn end(&mut self, cx: &mut Cx<'_, u64>, _why: End) {
//!         self.0.lock().unwrap().readers.retain(|&reader| reader != cx.id);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let news = Arc::new(Mutex::new(News { edition: 1, readers: Vec::new() }));
//! let shared = news.clone();
//! let server = Server::new().listen("127.0.0.1:0").start(move |_| Paper(shared.clone()))?;
//! let LocalAddress::Inet(address) = server.addresses()[0] else { unreachable!() };
//!
//! let mut client = TcpStream::connect(address)?;
//! let mut line = [0; 10];
//! client.read_exact(&mut line)?;
//! assert_eq!(&line, b"edition 1\n");
//!
//! // From here, or from any other thread:
//! let wake = server.wake();
//! let mut next = news.lock().unwrap();
//! next.edition = 2;
//! for &reader in &next.readers {
//!     wake.wake(reader);
//! }
//! drop(next);
//! client.read_exact(&mut line)?;
//! assert_eq!(&line, b"edition 2\n");
//! # Ok(())
//! # }
//! ```
//!
//! A wake is a hint and never proof: several may arrive as one, and one may arrive that was meant
//! for a connection that is gone. The handler looks what there is to do.
//!
//! # Large answers
//!
//! Bytes that are kept somewhere anyway are sent from there: [`Out::attach`] takes a [`Source`], in
//! memory or a file, and nothing is copied into the handler's output.
//!
//! ```
//! use std::sync::Arc;
//!
//! use crore::{Cx, Handler, Source, Step};
//!
//! /// Sends the same song to everyone, however slowly they take it, and closes.
//! struct Jukebox {
//!     song: Arc<[u8]>,
//! }
//!
//! impl Handler for Jukebox {
//!     type Conn = ();
//!
//!     fn open(&mut self, cx: &mut Cx<'_, ()>) -> Step {
//!         match cx.out.attach(Source::Memory(self.song.clone()), 0, self.song.len() as u64) {
//!             Ok(()) => Step::close(), // once it has been sent
//!             Err(_) => Step::abort(), // cannot be: nothing was attached before
//!         }
//!     }
//!
//!     fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
//!         Step::read(rx.len())
//!     }
//! }
//! ```
//!
//! # Opening connections
//!
//! A handler opens connections by being asked what to open: [`Handler::dial`] returns a [`Dial`],
//! which says whom to connect to and what [`Handler::Conn`] starts with. What follows is
//! [`Handler::open`], with [`Role::Opened`], or [`Handler::undialled`] with the reason. A [`Server`]'s
//! handler may do that; a program that listens nowhere describes a [`Client`].
//!
//! # Starting and stopping
//!
//! [`Server::run`] serves until SIGINT or SIGTERM. [`Server::start`] returns a [`Running`], which
//! tells addresses, engine, shards and counters, and stops the server: [`Running::drain`] lets
//! connections finish, [`Running::shut_down`] does not. [`Server::bind`] takes the addresses
//! without starting, for programs that give up privileges in between.
//!
//! Every shard has its limits from the start ([`Server::max_connections`] and the others); reaching
//! one refuses what is new, counts it in [`Counters`], and leaves what is there alone. A panic in a
//! handler ends the whole server with [`Error::Panicked`], because what the panic left half done
//! cannot be trusted.

#![forbid(unsafe_code)]

mod address;
mod bound;
mod capture;
mod client;
mod context;
mod error;
mod limits;
mod native;
mod net;
mod notice;
mod running;
mod server;
mod signals;
mod start;

pub use http;

pub use address::{Address, AddressError};
pub use app::{
    Attachment, Clock, Counter, Counters, Cx, Dial, DialError, End, FileSource, Handler, Next,
    NoRoom, Origin, Out, Peer, Prepared, Refusal, Remote, Role, Seen, ShortSource, Source, Step,
    Wake,
};
pub use base::{ConnId, Instant, Limits};
pub use bound::Bound;
pub use capture::Capture;
pub use client::Client;
pub use context::ShardContext;
pub use error::Error;
pub use native::LinkError;
pub use net::{Net, Prefix, Tap, Xdp};
pub use notice::Notice;
pub use running::{Control, Running, ShardThread};
pub use server::Server;
pub use sock::LocalAddress;
pub use stack::{Drops, Park, Reason, Vitals};
