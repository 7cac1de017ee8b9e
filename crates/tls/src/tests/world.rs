//! One connection of a [`Secure`] handler with a server of rustls', by way of as much room and in as
//! small pieces as wanted: [`World`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::{Cx, Dial, DialError, End, Handler, Next, Origin, Out, Peer, Role, Source, Step};
use base::{ConnId, Instant};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ServerConfig, ServerConnection};

use crate::{Client, Conn, Reasons, Secure, Settings};

pub const CERTIFICATE: &[u8] = include_bytes!("certificate.pem");
const KEY: &[u8] = include_bytes!("key.pem");

/// The handler within: sends a request, takes what comes.
#[derive(Default)]
pub struct Within {
    pub request: Vec<u8>,
    pub attachment: Option<Source>,
    /// Bytes that it consumes in a call; 0: all.
    pub appetite: usize,
    pub received: Vec<u8>,
    /// Bytes that it left over in the last call.
    pub offered: usize,
    pub saw_end: bool,
    pub done: Vec<Done>,
    dialled: bool,
}

/// What it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Opened,
    Ended,
    Not(DialError),
}

impl Handler for Within {
    type Conn = u8;

    fn dial(&mut self, _: Instant) -> Option<Dial<u8>> {
        let first = !std::mem::replace(&mut self.dialled, true);
        first.then(|| Dial::new(SocketAddr::from(([127, 0, 0, 1], 443)), 9))
    }

    fn open(&mut self, cx: &mut Cx<'_, u8>) -> Step {
        assert_eq!(*cx.conn, 9);
        self.done.push(Done::Opened);
        cx.out.put(&self.request).unwrap();
        if let Some(source) = self.attachment.take() {
            let length = source.memory().unwrap().len() as u64;
            cx.out.attach(source, 0, length).unwrap();
        }
        Step::read(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u8>, rx: &[u8]) -> Step {
        let count = if self.appetite == 0 { rx.len() } else { self.appetite.min(rx.len()) };
        self.received.extend_from_slice(&rx[..count]);
        self.offered = rx.len() - count;
        self.saw_end |= cx.input_ended;
        Step::read(count)
    }

    fn end(&mut self, _: &mut Cx<'_, u8>, _: End) {
        self.done.push(Done::Ended);
    }

    fn undialled(&mut self, _: Instant, conn: u8, why: DialError) {
        assert_eq!(conn, 9);
        self.done.push(Done::Not(why));
    }
}

/// The connection, as an engine has it, and its server.
pub struct World {
    pub secure: Secure<Within>,
    pub reasons: Arc<Reasons>,
    server: ServerConnection,
    conn: Conn,
    /// Room that the engine has, and bytes that it offers at once.
    room: usize,
    cut: usize,
    /// Sent by the server when it has been asked.
    pub answer: Vec<u8>,
    pub close_after: bool,
    /// The server sends what is not TLS; or nothing.
    pub garbage: bool,
    pub mute: bool,
    pub received: Vec<u8>,
    pub alpn: Option<Vec<u8>>,
    pub name: Option<String>,
    pub alert: Option<AlertDescription>,
    /// The handler closed.
    pub closed: bool,
    answered: bool,
    /// Bytes on their way to the handler.
    wire: Vec<u8>,
}

impl World {
    pub fn new(settings: &Settings, room: usize, cut: usize) -> Self {
        let reasons = Arc::new(Reasons::default());
        let client = Client::new(settings).unwrap();
        let mut secure = Secure::new(Within::default(), client, Arc::clone(&reasons));
        let conn = secure.dial(Instant::ZERO).unwrap().conn;
        Self {
            secure,
            reasons,
            server: server(),
            conn,
            room,
            cut,
            answer: Vec::new(),
            close_after: false,
            garbage: false,
            mute: false,
            received: Vec::new(),
            alpn: None,
            name: None,
            alert: None,
            closed: false,
            answered: false,
            wire: Vec::new(),
        }
    }

    /// Lets both ends do what they want until nothing moves.
    pub fn run(&mut self) {
        let mut step = self.call(Handler::open);
        loop {
            match step.next() {
                Next::Close | Next::Finish | Next::Abort => {
                    self.closed = true;
                    return;
                }
                Next::Write => {
                    step = self.call(Handler::room);
                    continue;
                }
                _ => {}
            }
            self.serve();
            if self.wire.is_empty() {
                return;
            }
            let piece: Vec<u8> = self.wire.drain(..self.cut.min(self.wire.len())).collect();
            step = self.call(|secure, cx| secure.data(cx, &piece));
            assert!(matches!(step.next(), Next::Close) || step.consumed() == piece.len());
        }
    }

    pub fn timer(&mut self) {
        let step = self.call(Handler::timer);
        assert_eq!(step.next(), Next::Abort);
    }

    pub fn end(&mut self) {
        let _ = self.call(|secure, cx| {
            secure.end(cx, End::Closed);
            Step::stay()
        });
    }

    /// One call, and what it put out on its way to the server.
    fn call(&mut self, act: impl FnOnce(&mut Secure<Within>, &mut Cx<'_, Conn>) -> Step) -> Step {
        let mut buffer = vec![0; self.room];
        let peer = Peer::Inet(SocketAddr::from(([127, 0, 0, 1], 443)));
        let mut cx = Cx {
            id: ConnId::new(0, 1, 2),
            now: Instant::ZERO + Duration::from_secs(1),
            origin: Origin { peer, role: Role::Opened },
            input_ended: false,
            unsent: 0,
            conn: &mut self.conn,
            out: Out::new(&mut buffer, true),
        };
        let step = act(&mut self.secure, &mut cx);
        let sent = cx.out.bytes().to_vec();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            self.server.read_tls(&mut rest).unwrap();
            if let Err(error) = self.server.process_new_packets() {
                if let rustls::Error::AlertReceived(alert) = error {
                    self.alert = Some(alert);
                }
                break;
            }
            let mut plain = Vec::new();
            let _ = std::io::Read::read_to_end(&mut self.server.reader(), &mut plain);
            self.received.extend(plain);
        }
        step
    }

    /// The server's turn.
    fn serve(&mut self) {
        if self.mute {
            return;
        }
        if self.garbage {
            self.garbage = false;
            self.wire.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            return;
        }
        if !self.answered && !self.received.is_empty() && !self.server.is_handshaking() {
            self.answered = true;
            self.alpn = self.server.alpn_protocol().map(<[u8]>::to_vec);
            self.name = self.server.server_name().map(str::to_owned);
            std::io::Write::write_all(&mut self.server.writer(), &self.answer).unwrap();
            if self.close_after {
                self.server.send_close_notify();
            }
        }
        while self.server.wants_write() {
            self.server.write_tls(&mut self.wire).unwrap();
        }
    }
}

fn server() -> ServerConnection {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls_graviola::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    server.set_buffer_limit(Some(1 << 20));
    server
}
