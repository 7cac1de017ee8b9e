//! A request as it goes over the wire: [`Request`]. Invariant: made once, checked then; sending it is
//! a copy.

use std::fmt::Write as _;
use std::sync::Arc;

/// What is asked, in parts.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The method, `GET`.
    pub method: &'a str,
    /// What is asked for, `/index.html?a=b`.
    pub target: &'a str,
    /// Who is asked: what goes into `Host`.
    pub host: &'a str,
    /// Header lines, `name: value`.
    pub headers: &'a [String],
    /// The body.
    pub body: Option<&'a [u8]>,
    /// Whether the connection is to end with the answer.
    pub close: bool,
}

impl Request<'_> {
    /// The bytes.
    ///
    /// # Errors
    /// What cannot be sent as it is, and why.
    pub fn bytes(&self) -> Result<Arc<[u8]>, String> {
        if self.method.is_empty() || !self.method.bytes().all(is_token) {
            return Err(format!("`{}` is no method; write GET, POST, PUT ...", self.method));
        }
        if matches!(self.method, "CONNECT") {
            return Err("CONNECT makes a tunnel, over which no answers come".into());
        }
        if !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{}` has blanks or other bytes; write %20", self.target));
        }
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            let _ = write!(head, "Host: {}\r\n", self.host);
        }
        for line in self.headers {
            let (name, value) = parts(line)?;
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if self.close && !self.has("connection") {
            head.push_str("Connection: close\r\n");
        }
        let body = self.body.unwrap_or_default();
        let wants_length = self.body.is_some() || matches!(self.method, "POST" | "PUT" | "PATCH");
        if wants_length && !self.has("content-length") {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        Ok([head.as_bytes(), body].concat().into())
    }

    fn has(&self, name: &str) -> bool {
        let is = |line: &String| parts(line).is_ok_and(|(it, _)| it.eq_ignore_ascii_case(name));
        self.headers.iter().any(is)
    }
}

/// The name and the value of a header line.
fn parts(line: &str) -> Result<(&str, &str), String> {
    let wrong = || format!("`{line}` is no header; write `name: value`");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let value = value.trim();
    let is_text = |byte: u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
    if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_text) {
        return Err(wrong());
    }
    if name.eq_ignore_ascii_case("transfer-encoding") {
        return Err("bodies are sent with their length; leave Transfer-Encoding out".into());
    }
    Ok((name, value))
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::Request;

    fn text(request: &Request<'_>) -> String {
        String::from_utf8(request.bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_needed_is_added_and_what_is_given_is_kept() {
        let plain = Request { method: "GET", target: "/", host: "a:8", ..Request::default() };
        assert_eq!(text(&plain), "GET / HTTP/1.1\r\nHost: a:8\r\n\r\n");
        let headers = ["host:b".to_owned(), "X-Y:  z ".to_owned()];
        let body = Some(&b"hi"[..]);
        let post = Request { method: "POST", headers: &headers, body, close: true, ..plain };
        let expected = "POST / HTTP/1.1\r\nhost: b\r\nX-Y: z\r\nConnection: close\r\n\
                        Content-Length: 2\r\n\r\nhi";
        assert_eq!(text(&post), expected);
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        let plain = Request { method: "GET", target: "/", host: "a", ..Request::default() };
        for (method, target) in [("G T", "/"), ("", "/"), ("GET", "/ x"), ("CONNECT", "/")] {
            assert!(Request { method, target, ..plain.clone() }.bytes().is_err(), "{method}");
        }
        for line in ["no colon", "a: b\r\nc: d", ": x", "a b: c", "Transfer-Encoding: chunked"] {
            let headers = [line.to_owned()];
            assert!(Request { headers: &headers, ..plain.clone() }.bytes().is_err(), "{line}");
        }
    }
}
