//! Requests that two parsers could read in two ways (RFC 9112 section 11.2): refused, and the
//! connection closed, so that what follows is never taken for a request.

use std::time::Duration;

use rig::Outcome;
use rig::client::Client;
use rig::crore::{Crore, Settings};
use rig::tree::Tree;

/// What a smuggler would want to have answered: it follows every vector.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

/// A name, the bytes sent before [`SMUGGLED`], and the status that must come back.
const REFUSED: &[(&str, &str, u16)] = &[
    // RFC 9112 6.1: Transfer-Encoding with Content-Length.
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "both lengths, the other order",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        400,
    ),
    // RFC 9112 6.1: a coding that is not understood; 6.3: chunked is not the last.
    (
        "unknown coding",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xyz, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    ("no chunked", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunked not last",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "coding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    // RFC 9112 6.3: Content-Length is digits, and says one thing.
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        400,
    ),
    ("list of lengths", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0, 44\r\n\r\n", 400),
    ("signed length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: +0\r\n\r\n", 400),
    ("negative length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400),
    ("hexadecimal length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0x0\r\n\r\n", 400),
    ("empty length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: \r\n\r\n", 400),
    (
        "length past 64 bits",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\n",
        400,
    ),
    // RFC 9112 7.1: chunk sizes are hexadecimal digits, chunks end with CRLF. The answer to the
    // head, which is in order, may come first.
    (
        "chunk size with sign",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
        405,
    ),
    (
        "chunk size past 64 bits",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
        405,
    ),
    (
        "chunk size that is none",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        405,
    ),
    (
        "chunk longer than it says",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        405,
    ),
    (
        "chunk size ended by LF alone",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
        405,
    ),
    // RFC 9112 2.2: a bare CR.
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: t\r\nA: b\rc\r\n\r\n", 400),
    ("bare CR as line end", "GET / HTTP/1.1\rHost: t\r\r", 400),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: t\r\nA: b\0c\r\n\r\n", 400),
    // RFC 9112 5.1: space between name and colon; 5.2: obs-fold; 2.2: space before the first line.
    ("space before colon", "GET / HTTP/1.1\r\nHost: t\r\nContent-Length : 44\r\n\r\n", 400),
    ("tab before colon", "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding\t: chunked\r\n\r\n", 400),
    ("folded line", "GET / HTTP/1.1\r\nHost: t\r\nA: b\r\n c\r\n\r\n", 400),
    ("folded first line", "GET / HTTP/1.1\r\n Host: t\r\nHost: t\r\n\r\n", 400),
    ("no name", "GET / HTTP/1.1\r\nHost: t\r\n: b\r\n\r\n", 400),
    ("no colon", "GET / HTTP/1.1\r\nHost: t\r\nContent-Length\r\n\r\n", 400),
    // RFC 9112 3.2: exactly one Host, and it is one.
    ("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400),
    ("two equal Hosts", "GET / HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400),
    ("Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("Host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    // RFC 9112 3: the request line has single spaces and a known version.
    ("two spaces", "GET  / HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("tab for space", "GET\t/\tHTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("space in target", "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("no version", "GET /\r\nHost: t\r\n\r\n", 400),
    ("lower-case version", "GET / http/1.1\r\nHost: t\r\n\r\n", 400),
    ("HTTP/2.0 in words", "GET / HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    ("HTTP/1.10", "GET / HTTP/1.10\r\nHost: t\r\n\r\n", 400),
];

/// Bodies that are unusual and allowed: each one answered, and so is what follows.
const ACCEPTED: &[(&str, &str)] = &[
    ("no body", "GET / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("a body with GET", "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nGET "),
    (
        "an empty chunked body",
        "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks with an extension and a trailer",
        "GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n4;a=b\r\nGET \r\n0\r\nA: b\r\n\r\n",
    ),
    ("an empty line before", "\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n"),
];

fn server() -> Outcome<(Tree, Crore)> {
    let tree = Tree::new()?;
    tree.file("index.html", "front")?;
    tree.file("smuggled", "smuggled")?;
    let settings = Settings { root: Some(tree.root()), ..Settings::default() };
    let crore = Crore::start(&settings)?;
    Ok((tree, crore))
}

/// Sends one vector in one piece and byte by byte, and says what was wrong with what came back.
fn refusal(crore: &Crore, vector: &str, status: u16) -> Outcome {
    for piece in [usize::MAX, 1] {
        let mut client = Client::connect(crore.address())?;
        let bytes = format!("{vector}{SMUGGLED}");
        for part in bytes.as_bytes().chunks(piece.min(bytes.len())) {
            // The server may answer and close before it has all of it.
            if client.send(part).is_err() {
                break;
            }
        }
        client.stream().set_read_timeout(Some(Duration::from_secs(20)))?;
        let answer = client.answer()?;
        if answer.status != status {
            return Err(format!("answered {} instead of {status}", answer.status).into());
        }
        let rest = client.rest()?;
        if !rest.is_empty() {
            return Err(format!("went on: {:?}", String::from_utf8_lossy(&rest)).into());
        }
    }
    Ok(())
}

fn acceptance(crore: &Crore, vector: &str) -> Outcome {
    let mut client = Client::connect(crore.address())?;
    client.send(format!("{vector}{SMUGGLED}"))?;
    for body in ["front", "smuggled"] {
        let answer = client.answer()?;
        if answer.body != body.as_bytes() {
            let found = String::from_utf8_lossy(&answer.body);
            return Err(format!("{} {found:?} instead of {body:?}", answer.status).into());
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs the crore command: cargo xtask heavy"]
fn what_is_ambiguous_is_refused_and_closed() -> Outcome {
    let (_tree, crore) = server()?;
    let failures: Vec<String> = REFUSED
        .iter()
        .filter_map(|(name, vector, status)| {
            refusal(&crore, vector, *status).err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

#[test]
#[ignore = "needs the crore command: cargo xtask heavy"]
fn what_is_only_unusual_is_answered() -> Outcome {
    let (_tree, crore) = server()?;
    let failures: Vec<String> = ACCEPTED
        .iter()
        .filter_map(|(name, vector)| {
            acceptance(&crore, vector).err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
