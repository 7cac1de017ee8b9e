//! The request target and the host: RFC 9112 sections 3.2 and 3.3, RFC 3986 section 3.2.2.

use core::net::Ipv6Addr;

use memchr::memchr;

use crate::{Method, Reason};

/// A target taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target<'b> {
    pub path: &'b str,
    pub query: Option<&'b str>,
    /// Of an absolute-form target.
    pub authority: Option<&'b str>,
}

/// Takes a target apart, if it is in a form that goes with the method.
pub(crate) fn parse<'b>(method: Method<'_>, target: &'b str) -> Result<Target<'b>, Reason> {
    // No fragment is ever sent, and who cuts it off sees another target than who does not.
    if target.bytes().any(|byte| byte == b'#' || !byte.is_ascii()) {
        return Err(Reason::Target);
    }
    if method == Method::Other("CONNECT") {
        let is_authority = host(target.as_bytes()).is_some_and(|host| !host.is_empty());
        return Err(if is_authority { Reason::Method } else { Reason::Target });
    }
    if target.starts_with('/') {
        return Ok(origin_form(target, None));
    }
    if target == "*" && method == Method::Options {
        return Ok(Target { path: "*", query: None, authority: None });
    }
    absolute_form(method, target)
}

fn origin_form<'b>(target: &'b str, authority: Option<&'b str>) -> Target<'b> {
    let (path, query) = match memchr(b'?', target.as_bytes()) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    };
    Target { path, query, authority }
}

fn absolute_form<'b>(method: Method<'_>, target: &'b str) -> Result<Target<'b>, Reason> {
    let (scheme, rest) = target.split_once("://").ok_or(Reason::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Reason::Target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // Userinfo before an @ is refused with it (RFC 9110 section 4.2.4).
    if authority.is_empty() || host(authority.as_bytes()).is_none() {
        return Err(Reason::Target);
    }
    let mut target = origin_form(rest, Some(authority));
    if target.path.is_empty() {
        // RFC 9110 section 4.2.3; for OPTIONS, RFC 9112 section 3.2.4.
        let whole_server = method == Method::Options && target.query.is_none();
        target.path = if whole_server { "*" } else { "/" };
    }
    Ok(target)
}

/// A host with its port, if that is what the bytes are. Empty is valid in `Host`.
pub(crate) fn host(bytes: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(bytes).ok()?;
    let port = if let Some(literal) = text.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        port
    } else {
        let end = memchr(b':', bytes).unwrap_or(bytes.len());
        // A port of no host is an invalid URI's (RFC 9110 section 4.2.1).
        let is_whole = end > 0 || bytes.is_empty();
        (is_whole && is_registered_name(&bytes[..end])).then_some(())?;
        &text[end..]
    };
    match port.as_bytes() {
        [] => Some(text),
        [b':', digits @ ..] if is_port(digits) => Some(text),
        _ => None,
    }
}

/// RFC 3986: `reg-name`, which an IPv4 address is too.
fn is_registered_name(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            (b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~', _) => tail,
            (b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=', _) => {
                tail
            }
            _ => return false,
        };
    }
    true
}

/// `port = *DIGIT`, and a number a port can have.
fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0_u32, |number, byte| {
        let number = number * 10 + u32::from(byte.wrapping_sub(b'0'));
        (byte.is_ascii_digit() && number <= u32::from(u16::MAX)).then_some(number)
    });
    number.is_some()
}
