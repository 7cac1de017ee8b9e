//! A client of HTTP/1.1 for one request at a time: just enough to know when an answer is complete.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt;

/// After this long without an answer there will be none.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection to a server.
pub(super) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    /// Connects; closing will leave nothing of the connection behind.
    pub fn connect(server: SocketAddr) -> Result<Self, Errno> {
        let stream = loop {
            match TcpStream::connect_timeout(&server, PATIENCE) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(|error| errno(&error))?,
            }
        };
        stream.set_nodelay(true).map_err(|error| errno(&error))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| errno(&error))?;
        sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO))?;
        let request = format!("GET / HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes();
        Ok(Self { stream, request, answer: Vec::new() })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// ETIMEDOUT when there is none for a long time, ECONNRESET when the server closes instead, EBADMSG when
    /// it is not one of HTTP.
    pub fn ask(&mut self) -> Result<(), Errno> {
        self.stream.write_all(&self.request).map_err(|error| errno(&error))?;
        self.answer.clear();
        let start = Instant::now();
        let mut chunk = [0; 4096];
        while !is_complete(&self.answer)? {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Errno::CONNRESET),
                Ok(length) => self.answer.extend(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Errno::TIMEDOUT),
                Err(error) => return Err(errno(&error)),
            }
            if start.elapsed() > PATIENCE {
                return Err(Errno::TIMEDOUT);
            }
        }
        Ok(())
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Whether `answer` is a whole one.
fn is_complete(answer: &[u8]) -> Result<bool, Errno> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(Errno::MSGSIZE);
    }
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| Errno::BADMSG)?;
    if !head.starts_with("HTTP/1.") {
        return Err(Errno::BADMSG);
    }
    let field = |name: &str| {
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.lines().skip(1).find_map(value)
    };
    let body = &answer[end + 4..];
    match field("content-length") {
        Some(length) => Ok(body.len() >= length.parse().map_err(|_| Errno::BADMSG)?),
        None if field("transfer-encoding").is_some() => Ok(body.ends_with(b"0\r\n\r\n")),
        None => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
        assert!(is_complete(whole).unwrap());
        for end in 0..whole.len() {
            assert!(!is_complete(&whole[..end]).unwrap(), "{end}");
        }
        assert!(
            is_complete(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
            )
            .unwrap()
        );
        assert!(is_complete(b"SSH-2.0\r\n\r\n").is_err());
        assert!(is_complete(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
