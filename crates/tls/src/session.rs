//! One connection's bytes on their way through TLS: [`Session`]. Invariant: what was sealed goes out in
//! that order, whatever room there is; what was read is read once.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use app::{Attachment, DialError, Next, Out};
use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use crate::Client;

/// Bytes of an attachment that are sealed at once: what one record holds (RFC 8446 5.1).
const RECORD: u64 = 16 * 1024;

/// One connection. Its buffers are empty while it rests.
pub struct Session<C> {
    /// What the handler within remembers of it.
    pub conn: C,
    pub stage: Stage,
    /// How long the handshake may take.
    pub within: Duration,
    /// What the handler within waits for.
    pub last: Next,
    /// Bytes left over are to be offered again as soon as may be.
    pub offer: bool,
    /// The peer has said, within TLS, that it sends nothing more.
    pub peer_closed: bool,
    /// Plain bytes that the handler within has not consumed.
    pub plain: Vec<u8>,
    tls: Option<Box<UnbufferedClientConnection>>,
    /// A part of a record, or records with a part of a message of the handshake.
    incoming: Vec<u8>,
    /// Sealed bytes for which there was no room.
    outgoing: Vec<u8>,
    attachment: Option<Attachment>,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It is being opened.
    Dialled,
    /// It is being made secure.
    Handshake,
    /// It is secure, and the handler within has not been told.
    Secure,
    /// The handler within has it.
    Open,
    /// It could not be made secure.
    Failed(DialError),
}

/// What is to be sealed.
#[derive(Clone, Copy)]
enum Seal<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Notice,
}

impl<C> Session<C> {
    /// One that is being opened.
    pub fn new(conn: C, within: Duration) -> Self {
        Self {
            conn,
            stage: Stage::Dialled,
            within,
            last: Next::Read,
            offer: false,
            peer_closed: false,
            plain: Vec::new(),
            tls: None,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            attachment: None,
        }
    }

    /// Begins the handshake.
    pub fn begin(&mut self, client: &Client, out: &mut Out<'_>) -> Result<(), Error> {
        let config = Arc::clone(&client.config);
        let tls = UnbufferedClientConnection::new(config, client.name.clone())?;
        self.tls = Some(Box::new(tls));
        self.stage = Stage::Handshake;
        self.drive(&mut Vec::new(), Seal::Nothing, out)
    }

    /// Takes in bytes that came; `scratch` is where that is done as long as nothing is left over.
    pub fn receive(
        &mut self,
        rx: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Out<'_>,
    ) -> Result<(), Error> {
        let from_scratch = self.incoming.is_empty();
        let mut incoming = mem::take(if from_scratch { scratch } else { &mut self.incoming });
        incoming.extend_from_slice(rx);
        let driven = self.drive(&mut incoming, Seal::Nothing, out);
        if !incoming.is_empty() {
            // Only as long as it has to be; mostly it is a part of one record.
            self.incoming = incoming.as_slice().to_vec();
        }
        incoming.clear();
        if from_scratch {
            *scratch = incoming;
        }
        driven
    }

    /// Seals bytes of the handler within.
    pub fn send(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Error> {
        if bytes.is_empty() { Ok(()) } else { self.seal(Seal::Bytes(bytes), out) }
    }

    /// Says that nothing more is sent (RFC 8446 6.1).
    pub fn send_notice(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        self.seal(Seal::Notice, out)
    }

    /// Has an attachment sent after all that was sealed.
    pub fn attach(&mut self, attachment: Attachment, out: &mut Out<'_>) -> Result<(), Error> {
        self.attachment = Some(attachment);
        self.flush(out)
    }

    /// Puts out what there was no room for, as far as there is now.
    pub fn flush(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        let put = out.put_some(&self.outgoing);
        self.outgoing.drain(..put);
        while self.outgoing.is_empty()
            && let Some(mut attachment) = self.attachment.take()
        {
            // A file would have to be read here, which may take time: those who have one must not
            // be within this handler.
            let bytes = attachment.source.memory().ok_or(Error::EncryptError)?;
            let length = attachment.length.min(RECORD);
            let range = attachment.offset as usize..(attachment.offset + length) as usize;
            self.seal(Seal::Bytes(bytes.get(range).ok_or(Error::EncryptError)?), out)?;
            attachment.offset += length;
            attachment.length -= length;
            self.attachment = (attachment.length > 0).then_some(attachment);
        }
        if self.outgoing.is_empty() {
            self.outgoing = Vec::new();
        }
        Ok(())
    }

    /// Whether something waits for room.
    pub fn is_pending(&self) -> bool {
        !self.outgoing.is_empty() || self.attachment.is_some()
    }

    /// For tests: bytes of buffers held.
    #[cfg(test)]
    pub fn buffered(&self) -> usize {
        self.plain.capacity() + self.incoming.capacity() + self.outgoing.capacity()
    }

    /// Bytes that wait for room.
    pub fn pending(&self) -> u64 {
        let attached = self.attachment.as_ref().map_or(0, |attachment| attachment.length);
        self.outgoing.len() as u64 + attached
    }

    /// After an error: the alert that tells the peer of it (RFC 8446 6.2), as far as there is one.
    pub fn alert(&mut self, out: &mut Out<'_>) {
        let Some(tls) = &mut self.tls else { return };
        if let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(mut data)), .. } =
            tls.process_tls_records(&mut [])
        {
            let _ = put(out, &mut self.outgoing, |space| data.encode(space).map_err(Unput::from));
        }
    }

    fn seal(&mut self, seal: Seal<'_>, out: &mut Out<'_>) -> Result<(), Error> {
        let mut incoming = mem::take(&mut self.incoming);
        let driven = self.drive(&mut incoming, seal, out);
        self.incoming = incoming;
        driven
    }

    /// Has rustls do what there is to do, until it waits for bytes of either side.
    fn drive(
        &mut self,
        incoming: &mut Vec<u8>,
        seal: Seal<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Error> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let outgoing = &mut self.outgoing;
        let mut start = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                tls.process_tls_records(&mut incoming[start..]);
            let is_done = match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        self.plain.extend_from_slice(record?.payload);
                    }
                    false
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    put(out, outgoing, |space| data.encode(space).map_err(Unput::from))?;
                    false
                }
                // It is: what was put goes out in order.
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                ConnectionState::PeerClosed => {
                    self.peer_closed = true;
                    false
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    if self.stage == Stage::Handshake {
                        self.stage = Stage::Secure;
                    }
                    put(out, outgoing, |space| match seal {
                        Seal::Nothing => Ok(0),
                        Seal::Bytes(bytes) => traffic.encrypt(bytes, space).map_err(Unput::from),
                        Seal::Notice => traffic.queue_close_notify(space).map_err(Unput::from),
                    })?;
                    true
                }
                // More bytes are wanted, or both sides have closed.
                _ => true,
            };
            start += discard;
            if is_done {
                break;
            }
        }
        incoming.drain(..start);
        Ok(())
    }
}

/// Why sealed bytes were not put.
enum Unput {
    /// It takes this much room.
    NoRoom(usize),
    /// The keys are used up.
    Exhausted,
}

impl From<EncodeError> for Unput {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::NoRoom(required_size)
            }
            EncodeError::AlreadyEncoded => Self::Exhausted,
        }
    }
}

impl From<EncryptError> for Unput {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::NoRoom(required_size)
            }
            EncryptError::EncryptExhausted => Self::Exhausted,
        }
    }
}

/// Has sealed bytes written into `out`, or where there is no room, behind `outgoing`.
fn put(
    out: &mut Out<'_>,
    outgoing: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Unput>,
) -> Result<(), Error> {
    let space = if outgoing.is_empty() { out.space() } else { &mut [] };
    let wanted = match write(space) {
        Ok(count) => {
            out.advance(count);
            return Ok(());
        }
        Err(Unput::NoRoom(wanted)) => wanted,
        Err(Unput::Exhausted) => return Err(Error::EncryptError),
    };
    let start = outgoing.len();
    outgoing.resize(start + wanted, 0);
    match write(&mut outgoing[start..]) {
        Ok(count) => {
            outgoing.truncate(start + count);
            Ok(())
        }
        Err(_) => Err(Error::EncryptError),
    }
}
