//! An HTTP/1.1 client that sends exactly the bytes it is given and looks at all that comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Outcome;

/// How long to wait for bytes before giving up. Not a measurement: an answer that takes this long
/// is not coming.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Bytes that came and belong to no answer read so far.
    ahead: Vec<u8>,
}

/// What came back for one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, its transfer coding removed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header line of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Opens a connection.
    ///
    /// # Errors
    /// When it is refused.
    pub fn connect(address: SocketAddr) -> Outcome<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// Uses a connection that is open already.
    ///
    /// # Errors
    /// When the socket takes no time limit.
    pub fn over(stream: TcpStream) -> Outcome<Self> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// The connection itself.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Outcome {
        Ok(self.stream.write_all(bytes.as_ref())?)
    }

    /// Asks for `path` and reads the answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn get(&mut self, path: &str) -> Outcome<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))?;
        self.answer()
    }

    /// Reads the answer to any request but HEAD.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn answer(&mut self) -> Outcome<Answer> {
        let mut answer = self.head()?;
        answer.body = self.body(&answer)?;
        Ok(answer)
    }

    /// Reads an answer that has no body: to HEAD, or with a status in the hundreds.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn head(&mut self) -> Outcome<Answer> {
        let lines = self.until(b"\r\n\r\n")?;
        let text = String::from_utf8(lines)?;
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| format!("not a status line: {first:?}"))?;
        let headers = lines
            .map(|line| {
                let (name, value) =
                    line.split_once(':').ok_or_else(|| format!("not a header line: {line:?}"))?;
                Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect::<Outcome<_>>()?;
        Ok(Answer { status, headers, body: Vec::new() })
    }

    /// Reads exactly `length` bytes that follow a head.
    ///
    /// # Errors
    /// When fewer come.
    pub fn exactly(&mut self, length: usize) -> Outcome<Vec<u8>> {
        while self.ahead.len() < length {
            let missing = length - self.ahead.len();
            if self.more()? == 0 {
                return Err(format!("closed {missing} bytes before the end of {length}").into());
            }
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    /// All bytes that come before the server closes or resets the connection.
    ///
    /// # Errors
    /// When the server leaves it open.
    pub fn rest(&mut self) -> Outcome<Vec<u8>> {
        loop {
            match self.more() {
                Ok(0) => return Ok(std::mem::take(&mut self.ahead)),
                Ok(_) => {}
                Err(error) if is_reset(&*error) => return Ok(std::mem::take(&mut self.ahead)),
                Err(error) => return Err(error),
            }
        }
    }

    fn body(&mut self, answer: &Answer) -> Outcome<Vec<u8>> {
        if answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        match answer.header("content-length") {
            Some(length) => self.exactly(length.parse()?),
            None => self.rest(),
        }
    }

    fn chunks(&mut self) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n")?)?;
            let digits = line.split([';', '\r']).next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16)?;
            if size == 0 {
                while self.until(b"\r\n")? != b"\r\n" {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err("a chunk does not end with a line end".into());
            }
        }
    }

    /// Reads up to and with the first `end`.
    fn until(&mut self, end: &[u8]) -> Outcome<Vec<u8>> {
        let mut looked = 0;
        loop {
            let found = self.ahead[looked..].windows(end.len()).position(|part| part == end);
            if let Some(at) = found {
                let rest = self.ahead.split_off(looked + at + end.len());
                return Ok(std::mem::replace(&mut self.ahead, rest));
            }
            looked = (self.ahead.len() + 1).saturating_sub(end.len());
            if self.more()? == 0 {
                let text = String::from_utf8_lossy(&self.ahead);
                return Err(format!("closed in the middle of: {text:?}").into());
            }
        }
    }

    fn more(&mut self) -> Outcome<usize> {
        let mut buffer = [0; 64 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::ConnectionReset)
}
