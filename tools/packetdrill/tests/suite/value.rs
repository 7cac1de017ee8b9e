//! Arguments of calls: numbers and their names, lists and structures. Invariant: a name that is not
//! known is an error.

/// A value as a script writes it.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Number(i64),
    Dots,
    Text(String),
    List(Vec<Value>),
    /// `{name=value, …}`; names are empty where there are none.
    Structure(Vec<(String, Value)>),
}

impl Value {
    pub fn number(&self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::List(list) if list.len() == 1 => list[0].number(),
            other => Err(format!("{other:?} is no number")),
        }
    }

    pub fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Structure(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// A field by its place.
    pub fn nth(&self, index: usize) -> Option<&Self> {
        let Self::Structure(fields) = self else { return None };
        fields.get(index).map(|(_, value)| value)
    }
}

/// Values with commas between them, up to `close`. Gives the rest behind it.
pub fn parse_list(text: &str, close: char) -> Result<(Vec<Value>, &str), String> {
    let mut list = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(rest) = rest.strip_prefix(close) {
            return Ok((list, rest));
        }
        let (value, after) = parse(rest)?;
        list.push(value);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

fn parse(text: &str) -> Result<(Value, &str), String> {
    if let Some(rest) = text.strip_prefix("...") {
        return Ok((Value::Dots, rest));
    }
    if let Some(rest) = text.strip_prefix('"') {
        let (text, rest) = rest.split_once('"').ok_or("a quote is not closed")?;
        return Ok((Value::Text(text.into()), rest));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (list, rest) = parse_list(rest, ']')?;
        return Ok((Value::List(list), rest));
    }
    if let Some(rest) = text.strip_prefix('{') {
        return parse_structure(rest);
    }
    let length = text.find([',', ')', ']', '}']).unwrap_or(text.len());
    Ok((Value::Number(number(text[..length].trim())?), &text[length..]))
}

fn parse_structure(text: &str) -> Result<(Value, &str), String> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((Value::Structure(fields), rest));
        }
        let stop = rest.find(['=', ',', '}', '[', '{']).unwrap_or(rest.len());
        let named = rest[stop..].starts_with('=');
        let name = if named { rest[..stop].trim() } else { "" };
        let (value, after) = parse(rest[if named { stop + 1 } else { 0 }..].trim_start())?;
        // `msg_iov(1)`: how many there are follows from the list.
        let name = name.split('(').next().unwrap_or_default();
        fields.push((name.to_owned(), value));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

/// A number, or names of numbers with `|` between them.
pub fn number(text: &str) -> Result<i64, String> {
    let mut all = 0;
    for word in text.split('|').map(str::trim) {
        all |= match word.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).map_err(|_| format!("{word}?"))?,
            None => match word.parse() {
                Ok(number) => number,
                Err(_) => named(word).ok_or_else(|| format!("{word} is not known"))?,
            },
        };
    }
    Ok(all)
}

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), libc::$name as i64)),*]
    };
}

/// What `libc` has.
const NAMES: &[(&str, i64)] = names![
    AF_UNSPEC,
    SOCK_STREAM,
    IPPROTO_TCP,
    SOL_SOCKET,
    SOL_TCP,
    SOL_IP,
    SOL_IPV6,
    SO_REUSEADDR,
    SO_SNDBUF,
    SO_RCVBUF,
    SO_ERROR,
    SO_LINGER,
    SO_KEEPALIVE,
    SO_RCVTIMEO,
    SO_SNDTIMEO,
    O_RDWR,
    O_NONBLOCK,
    F_GETFL,
    F_SETFL,
    F_GETFD,
    F_SETFD,
    TCP_NODELAY,
    TCP_CORK,
    TCP_MAXSEG,
    TCP_INFO,
    TCP_USER_TIMEOUT,
    TCP_CONGESTION,
    TCP_KEEPIDLE,
    TCP_KEEPINTVL,
    TCP_KEEPCNT,
    TCP_SYNCNT,
    TCP_LINGER2,
    TCP_QUICKACK,
    TCP_WINDOW_CLAMP,
    IP_TOS,
    IP_TTL,
    MSG_MORE,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_WAITALL,
    SHUT_RD,
    SHUT_WR,
    SHUT_RDWR,
    POLLIN,
    POLLOUT,
    POLLERR,
    POLLHUP,
    POLLRDHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLERR,
    EPOLLHUP,
    EPOLLET,
    EPOLLRDHUP,
    EPOLLONESHOT,
    EPOLL_CTL_ADD,
    EPOLL_CTL_MOD,
    EPOLL_CTL_DEL,
    EAGAIN,
    EINPROGRESS,
    ECONNREFUSED,
    ECONNRESET,
    EPIPE,
    ENOTCONN,
    ETIMEDOUT,
    EISCONN,
    EALREADY,
    EINVAL,
    EBADF,
    EHOSTUNREACH,
    ENETUNREACH,
    ENOPROTOOPT,
    EADDRINUSE,
    ENOENT,
    EOPNOTSUPP,
    EPROTONOSUPPORT,
    FIONREAD,
    TIOCOUTQ,
    SPLICE_F_NONBLOCK,
];

/// What it has not.
const MORE_NAMES: &[(&str, i64)] = &[
    ("SIOCINQ", libc::FIONREAD as i64),
    ("SIOCOUTQ", libc::TIOCOUTQ as i64),
    ("TCP_NOTSENT_LOWAT", 25),
    ("TCP_INQ", 36),
    ("TCP_CM_INQ", 36),
];

pub fn named(name: &str) -> Option<i64> {
    NAMES.iter().chain(MORE_NAMES).find(|(known, _)| *known == name).map(|(_, number)| *number)
}
