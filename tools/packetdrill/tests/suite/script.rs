//! Reads a part of packetdrill's language: socket calls, TCP segments both ways, ICMP errors in, the
//! set-up between back quotes, and assertions between `%{` and `}%`. Invariant: what is not
//! understood is an error with its line, never passed over.

use crate::value::{self, Value};

/// A whole script.
#[derive(Debug, Default)]
pub struct Script {
    pub options: Vec<(String, String)>,
    pub events: Vec<Event>,
}

#[derive(Debug)]
pub struct Event {
    pub line: usize,
    pub time: Time,
    pub what: What,
}

/// When something happens, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    pub kind: Kind,
    pub at: i64,
    /// End of a range of times, or of a call that blocks.
    pub end: Option<i64>,
    pub blocks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Absolute,
    Relative,
    Any,
}

#[derive(Debug)]
pub enum What {
    Segment { inbound: bool, segment: Segment },
    Icmp(Icmp),
    Call(Call),
    SetUp(String),
    Assert(String),
}

/// A TCP segment as a script writes it.
#[derive(Clone, Debug)]
pub struct Segment {
    pub flags: String,
    pub sequence: u32,
    pub length: u32,
    pub acknowledgment: Option<u32>,
    pub window: Option<u16>,
    pub urgent: u16,
    /// Option text; None: any options.
    pub options: Option<String>,
    pub ecn: Option<u8>,
}

#[derive(Clone, Debug)]
pub struct Icmp {
    pub kind: String,
    pub mtu: u32,
    pub sequence: u32,
}

#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub arguments: Vec<Value>,
    pub result: i64,
    pub error: Option<String>,
}

type Parsed<T> = Result<T, String>;

impl Script {
    pub fn parse(text: &str) -> Parsed<Self> {
        let mut script = Self::default();
        let mut rest = text;
        loop {
            rest = skip_blank(rest);
            if rest.is_empty() {
                return Ok(script);
            }
            let line = text[..text.len() - rest.len()].lines().count().max(1);
            rest = script.one(rest, line).map_err(|wrong| format!("line {line}: {wrong}"))?;
        }
    }

    fn one<'a>(&mut self, text: &'a str, line: usize) -> Parsed<&'a str> {
        if let Some(option) = text.strip_prefix("--") {
            let (word, rest) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            self.options.push((name.into(), value.into()));
            return Ok(rest);
        }
        let (time, rest) = if text.starts_with('`') { (AT_ONCE, text) } else { parse_time(text)? };
        let (what, rest) = parse_what(skip_blank(rest))?;
        let blocks = time.blocks && matches!(what, What::Call(_));
        self.events.push(Event { line, time: Time { blocks, ..time }, what });
        Ok(rest)
    }
}

const AT_ONCE: Time = Time { kind: Kind::Any, at: 0, end: None, blocks: false };

/// Past white space and comments.
fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if text.starts_with("//") || text.starts_with('#') {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        } else if text.starts_with("/*") {
            text = text.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return text;
        }
    }
}

fn parse_time(text: &str) -> Parsed<(Time, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((AT_ONCE, rest));
    }
    let (relative, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    let kind = if relative { Kind::Relative } else { Kind::Absolute };
    let (at, rest) = seconds(rest)?;
    let mut time = Time { kind, at, end: None, blocks: false };
    if let Some(rest) = rest.strip_prefix("...") {
        let (end, rest) = seconds(rest)?;
        time.end = Some(end);
        time.blocks = true;
        return Ok((time, rest));
    }
    if let Some(rest) = rest.strip_prefix('~') {
        let (end, rest) = seconds(rest.strip_prefix('+').unwrap_or(rest))?;
        time.end = Some(end);
        return Ok((time, rest));
    }
    Ok((time, rest))
}

/// A number of seconds, as microseconds.
fn seconds(text: &str) -> Parsed<(i64, &str)> {
    let mut length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    if let Some(dots) = text[..length].find("..") {
        length = dots;
    }
    let number: f64 = text[..length].parse().map_err(|_| format!("no time: {}", head(text)))?;
    Ok(((number * 1e6).round() as i64, &text[length..]))
}

fn head(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn parse_what(text: &str) -> Parsed<(What, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (command, rest) = rest.split_once('`').ok_or("a back quote is not closed")?;
        return Ok((What::SetUp(command.into()), rest));
    }
    if let Some(rest) = text.strip_prefix("%{") {
        let (code, rest) = rest.split_once("}%").ok_or("%{ is not closed")?;
        return Ok((What::Assert(code.into()), rest));
    }
    if let Some(rest) = text.strip_prefix(['<', '>']) {
        let (packet, rest) = one_line(rest);
        return Ok((parse_packet(text.starts_with('<'), packet)?, rest));
    }
    let (call, rest) = parse_call(text)?;
    Ok((What::Call(call), rest))
}

/// The rest of the line, without a comment.
fn one_line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.split("//").next().unwrap_or_default().trim(), rest)
}

fn parse_packet(inbound: bool, text: &str) -> Parsed<What> {
    let (ecn, text) = parse_ecn(text)?;
    if let Some(rest) = text.strip_prefix("icmp") {
        return parse_icmp(rest.trim()).map(What::Icmp);
    }
    let (before, options) = match text.split_once('<') {
        Some((before, options)) => (before, options.strip_suffix('>').ok_or("no > at the end")?),
        None => (text, ""),
    };
    let mut words = before.split_whitespace();
    let flags = words.next().ok_or("no flags")?.to_owned();
    let (sequence, length) = parse_numbers(words.next().ok_or("no numbers")?)?;
    let mut segment = Segment {
        flags,
        sequence,
        length,
        acknowledgment: None,
        window: None,
        urgent: 0,
        options: (options.trim() != "...").then(|| options.to_owned()),
        ecn,
    };
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<u32>().ok());
        let number = number.ok_or_else(|| format!("no number after {word}"))?;
        match word {
            "ack" => segment.acknowledgment = Some(number),
            "win" => segment.window = Some(number as u16),
            "urg" => segment.urgent = number as u16,
            _ => return Err(format!("{word} is not understood")),
        }
    }
    Ok(What::Segment { inbound, segment })
}

fn parse_ecn(text: &str) -> Parsed<(Option<u8>, &str)> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('[') else { return Ok((None, text)) };
    let (word, rest) = rest.split_once(']').ok_or("[ is not closed")?;
    let bits = match word {
        "noecn" => 0,
        "ect1" => 1,
        "ect0" => 2,
        "ce" => 3,
        _ => return Err(format!("[{word}] is not understood")),
    };
    Ok((Some(bits), rest.trim()))
}

/// `start:end(length)`.
fn parse_numbers(text: &str) -> Parsed<(u32, u32)> {
    let wrong = || format!("{text}: not start:end(length)");
    let (start, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (end, length) = rest.trim_end_matches(')').split_once('(').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (start, end, length) = (number(start)?, number(end)?, number(length)?);
    if end.wrapping_sub(start) == length { Ok((start, length)) } else { Err(wrong()) }
}

/// `unreachable frag_needed mtu 1200 [1:1001(1000)]`.
fn parse_icmp(text: &str) -> Parsed<Icmp> {
    let mut icmp = Icmp { kind: String::new(), mtu: 0, sequence: 0 };
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word == "mtu" {
            icmp.mtu = words.next().and_then(|word| word.parse().ok()).ok_or("no mtu")?;
        } else if let Some(numbers) = word.strip_prefix('[') {
            icmp.sequence = parse_numbers(numbers.trim_end_matches(']'))?.0;
        } else {
            icmp.kind = word.to_owned();
        }
    }
    Ok(icmp)
}

/// `name(arguments) = result ERROR (words)`.
fn parse_call(text: &str) -> Parsed<(Call, &str)> {
    let open = text.find('(').ok_or_else(|| format!("not understood: {}", head(text)))?;
    let name = text[..open].trim().to_owned();
    let (arguments, rest) = value::parse_list(&text[open + 1..], ')')?;
    let rest = skip_blank(rest).strip_prefix('=').ok_or("no result")?;
    let (line, rest) = one_line(rest);
    let mut words = line.split_whitespace();
    let result = value::number(words.next().ok_or("no result")?)?;
    let error = words.next().filter(|word| word.starts_with('E')).map(str::to_owned);
    Ok((Call { name, arguments, result, error }, rest))
}
