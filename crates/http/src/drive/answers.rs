//! Reads what a connection sent as a strict client would: [`Answer`].

use alloc::string::String;
use alloc::vec::Vec;

use crate::head::is_token_byte;

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header lines: names in lower case, and values.
    pub lines: Vec<(String, String)>,
    /// The content, or as much of it as was sent.
    pub content: Vec<u8>,
    /// Whether all of it was sent.
    pub is_whole: bool,
}

impl Answer {
    /// The value of the line with this name, written in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str())
    }

    /// Whether it says that the connection closes.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.get("connection") == Some("close")
    }
}

/// Reads a sequence of answers; `is_head` says whether the one with this index, interim answers not
/// counted, belongs to a HEAD request. The last may be cut off.
///
/// # Errors
/// What is wrong with them, in words.
pub fn read_answers(
    mut bytes: &[u8],
    is_head: impl Fn(usize) -> bool,
) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    let mut finals = 0;
    while !bytes.is_empty() {
        if answers.last().is_some_and(|answer: &Answer| answer.closes() || !answer.is_whole) {
            return Err(error("something after the last answer", bytes));
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            break;
        };
        let (status, lines) = read_head(&bytes[..end + 2])?;
        bytes = &bytes[end + 4..];
        let length = content_length(status, &lines)?;
        let is_interim = status < 200;
        let is_silent = is_interim || status == 304 || is_head(finals);
        let length = if is_silent { 0 } else { length };
        let (content, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        let answer =
            Answer { status, lines, content: content.into(), is_whole: content.len() == length };
        check_sum(&answer, is_silent)?;
        finals += usize::from(!is_interim);
        answers.push(answer);
    }
    Ok(answers)
}

type Lines = Vec<(String, String)>;

fn read_head(head: &[u8]) -> Result<(u16, Lines), String> {
    let text = core::str::from_utf8(head).map_err(|_| error("a head that is no text", head))?;
    if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\r' && byte != b'\n') {
        return Err(error("a control character", head));
    }
    let mut lines = text.split_terminator("\r\n");
    let status = lines.next().and_then(status).ok_or_else(|| error("a bad status line", head))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let is_valid = !name.is_empty()
            && name.bytes().all(is_token_byte)
            && !value.contains(['\r', '\n'])
            && value.trim() == value;
        is_valid.then(|| (name.to_ascii_lowercase(), String::from(value)))
    };
    let fields: Option<Lines> = lines.map(field).collect();
    Ok((status, fields.ok_or_else(|| error("a bad header line", head))?))
}

fn status(line: &str) -> Option<u16> {
    let (code, _) = line.strip_prefix("HTTP/1.1 ")?.split_at_checked(4)?;
    let code: u16 = code.strip_suffix(' ')?.parse().ok()?;
    (100..=599).contains(&code).then_some(code)
}

fn content_length(status: u16, lines: &Lines) -> Result<usize, String> {
    let mut lengths = lines.iter().filter(|(name, _)| name == "content-length");
    let length = lengths.next();
    let wants_none = status < 200 || status == 204;
    match length {
        _ if lengths.next().is_some() => Err(String::from("two lengths")),
        Some(_) if wants_none => Err(String::from("a length where there must be none")),
        Some((_, value)) => value.parse().map_err(|_| String::from("a bad length")),
        None if wants_none || status == 304 => Ok(0),
        None => Err(String::from("no length")),
    }
}

/// The content against the `Sum` line of a [`Probe`](super::Probe).
fn check_sum(answer: &Answer, is_silent: bool) -> Result<(), String> {
    let sum: u64 = answer.content.iter().map(|&byte| u64::from(byte)).sum();
    match answer.get("sum") {
        Some(expected) if answer.is_whole && !is_silent && expected.parse() != Ok(sum) => {
            Err(alloc::format!("content with the sum {sum} instead of {expected}"))
        }
        _ => Ok(()),
    }
}

fn error(what: &str, bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(200)];
    alloc::format!("{what}: {}", String::from_utf8_lossy(shown))
}
