//! The same requests to crore and to nginx, over the same folder: the answers agree, but for a
//! list of differences, each with its reason ([`differences`]).

mod differences;
mod seen;
mod vectors;

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use rig::Outcome;
use rig::client::Client;
use rig::crore::{self, Crore};
use rig::nginx::{self, Nginx};
use rig::tree::{Tree, pattern};

use differences::{ANY, DIFFERENCES};
use seen::{Seen, seen};
use vectors::VECTORS;

const HOUR: Duration = Duration::from_secs(3_600);

/// What makes nginx follow RFC 9110 where its defaults do not, and send what it can.
const NGINX: &str = "absolute_redirect off; if_modified_since before; gzip_static on; \
                     gzip_vary on; autoindex off; merge_slashes on;";

#[test]
#[ignore = "needs nginx: cargo xtask heavy"]
fn answers_are_those_of_nginx() -> Outcome {
    let tree = tree()?;
    let root = tree.root().join("site");
    let settings = nginx::Settings { root: &root, http: "", server: NGINX, core: None };
    let nginx = Nginx::start(&settings)?;
    let settings = crore::Settings { root: Some(&root), ..crore::Settings::default() };
    let crore = Crore::start(&settings)?;

    let mut failures = Vec::new();
    let mut found = vec![false; DIFFERENCES.len()];
    for (name, request) in VECTORS {
        let theirs = ask(nginx.address(), request).map_err(|e| format!("nginx, {name}: {e}"))?;
        match ask(crore.address(), request) {
            Ok(ours) => compare(name, &theirs, &ours, &mut found, &mut failures),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    let stale = DIFFERENCES.iter().zip(found).filter(|(_, found)| !found);
    failures.extend(stale.map(|(listed, _)| {
        format!("{}: {} is listed as a difference and is none", listed.vector, listed.field)
    }));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn tree() -> Outcome<Tree> {
    let tree = Tree::new()?;
    tree.file("secret.txt", "outside of the root")?;
    tree.file("site/index.html", "<!doctype html><title>front</title>")?;
    let text = tree.file("site/text.txt", pattern_text(1_000))?;
    // RFC 9110 section 8.8.2.2: only then is the date a strong validator.
    File::options().write(true).open(text)?.set_modified(SystemTime::now() - HOUR)?;
    tree.file("site/empty.txt", "")?;
    tree.file("site/a b.txt", "a space")?;
    tree.file("site/é.txt", "an accent")?;
    tree.file("site/plus+and%25.txt", "a plus and a percent sign")?;
    tree.file("site/.hidden", "hidden")?;
    tree.file("site/folder/index.html", "<!doctype html><title>folder</title>")?;
    tree.file("site/folder/a b/index.html", "<!doctype html><title>inner</title>")?;
    tree.file("site/packed.txt", pattern_text(5_000))?;
    // nginx sends what is there without looking into it, and so should we.
    tree.file("site/packed.txt.gz", "stands for the packed file")?;
    for ending in ["css", "js", "json", "svg", "png", "jpg", "wasm", "woff2", "pdf", "mp4", "zip"] {
        tree.file(&format!("site/types/file.{ending}"), pattern(100))?;
    }
    tree.file("site/types/file.unheard-of", pattern(100))?;
    tree.file("site/types/README", "no ending")?;
    symlink("text.txt", tree.root().join("site/inside.txt"))?;
    symlink("../secret.txt", tree.root().join("site/outside.txt"))?;
    symlink("nowhere", tree.root().join("site/dangling.txt"))?;
    Ok(tree)
}

fn pattern_text(length: usize) -> String {
    (b'a'..=b'z').map(char::from).cycle().take(length).collect()
}

/// Sends a request in the short form of [`vectors`], with the server's own validators in place,
/// and gives what can be compared.
fn ask(address: SocketAddr, request: &str) -> Outcome<Seen> {
    let mut request = request.to_owned();
    if request.contains('{') {
        let mut client = Client::connect(address)?;
        client.send("HEAD /text.txt HTTP/1.1\r\nHost: test\r\n\r\n")?;
        let answer = client.head()?;
        let header = |name| answer.header(name).ok_or_else(|| format!("/text.txt has no {name}"));
        request = request.replace("{long}", &"a".repeat(300));
        request = request.replace("{etag}", header("etag")?);
        request = request.replace("{modified}", header("last-modified")?);
    }
    let lines: Vec<&str> = request.lines().collect();
    let mut client = Client::connect(address)?;
    client.send(format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")))?;
    let is_head = request.starts_with("HEAD ");
    let answer = if is_head { client.head()? } else { client.answer()? };
    let rest = client.rest()?;
    if !rest.is_empty() {
        return Err(format!("{} bytes after the answer", rest.len()).into());
    }
    seen(&answer)
}

fn compare(
    vector: &str,
    theirs: &Seen,
    ours: &Seen,
    found: &mut [bool],
    failures: &mut Vec<String>,
) {
    let other_status = theirs.status() != ours.status();
    for (field, (theirs, ours)) in theirs.pairs(ours) {
        if theirs == ours || (other_status && field != "status") {
            continue;
        }
        let listed = DIFFERENCES.iter().position(|listed| {
            listed.vector == vector
                && listed.field == field
                && listed.nginx == theirs
                && [ours, ANY].contains(&listed.crore)
        });
        match listed {
            Some(index) => found[index] = true,
            None => failures.push(format!("{vector}: {field}: nginx {theirs:?}, crore {ours:?}")),
        }
    }
}
