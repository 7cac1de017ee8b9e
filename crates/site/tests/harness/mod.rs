//! Drives a site's service the way the protocol does, without a connection: a request goes in,
//! waits are waited for, the answer comes out whole.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::{Origin, Peer, Prepared, Role, Source, Wake};
use base::{ConnId, Instant};
use http::{
    Body, Header, Headers, Method, Outcome, Reply, Request, Response, Segment, Service, Token,
    Version,
};
use site::{Config, Content, Environment, Log, Site, SiteService};
use tempfile::TempDir;

/// Time after which a test gives up waiting for the pool. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The wall clock that requests are stamped with: 2026-01-01T00:00:00Z.
pub const UNIX: u64 = 1_767_225_600;

struct Wakes(Mutex<Sender<ConnId>>);

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        let _ = self.0.lock().unwrap().send(id);
    }
}

/// A site on a folder of its own, served by one shard.
pub struct World {
    pub folder: TempDir,
    pub site: Arc<Site>,
    pub service: SiteService,
    pub now: Instant,
    wakes: Receiver<ConnId>,
    /// Wakes that came while another was waited for.
    woken: RefCell<Vec<ConnId>>,
    connections: u32,
}

/// An answer, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

/// A request that waits for something.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub token: Token,
    pub id: ConnId,
}

impl World {
    /// A site from `toml`, in which `ROOT` stands for the folder that `fill` has filled.
    pub fn new(toml: &str, fill: impl FnOnce(&Path)) -> Self {
        Self::made(toml, fill, |_| None)
    }

    /// The same with an access log, in the folder that `log` is given.
    pub fn logged(
        toml: &str,
        fill: impl FnOnce(&Path),
        log: impl FnOnce(&Path) -> Arc<Log>,
    ) -> Self {
        Self::made(toml, fill, |folder| Some(log(folder)))
    }

    fn made(
        toml: &str,
        fill: impl FnOnce(&Path),
        log: impl FnOnce(&Path) -> Option<Arc<Log>>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        fill(&root);
        let config = parse(toml, &root);
        let content = Content::open(&config).unwrap_or_else(|errors| panic!("{errors}"));
        let (sender, wakes) = channel();
        let wake = Arc::new(Wakes(Mutex::new(sender)));
        let site =
            Site::start(content, Environment { wake, shards: 1, log: log(folder.path()) }).unwrap();
        let service = site.service();
        Self {
            folder,
            site,
            service,
            now: Instant::from_millis(1),
            wakes,
            woken: RefCell::default(),
            connections: 0,
        }
    }

    /// A site that serves the files given, by name, with the default settings.
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        Self::new("[[host]]\nroot = 'ROOT'\n", |root| write_all(root, files))
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        write_all(&self.root(), &[(name, content)]);
    }

    /// Lets time pass on the clock that requests are stamped with.
    pub fn pass(&mut self, span: Duration) {
        self.now += span;
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[])
    }

    pub fn get_with(&mut self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers)
    }

    /// Sends a request and waits for its answer.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        match self.begin(method, target, headers) {
            Ok(answer) => answer,
            Err(waiting) => self.finish(waiting, method == "HEAD"),
        }
    }

    /// Sends a request; what has to wait is left waiting.
    pub fn begin(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Waiting> {
        self.connections += 1;
        let id = ConnId::new(0, self.connections, 0);
        match self.call(id, method, target, headers) {
            Reply::Now(response) => Ok(self.read(response, method == "HEAD")),
            Reply::Later(token) => Err(Waiting { token, id }),
            Reply::Collect { .. } => panic!("a site collects no bodies"),
        }
    }

    /// Sends a request and says what the service replies.
    pub fn call(
        &mut self,
        id: ConnId,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let host = headers.iter().find(|(name, _)| *name == "Host").map_or("", |(_, host)| host);
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        self.service.call(&Request {
            method: Method::new(method),
            path,
            query,
            host,
            version: Version::Http11,
            headers: Headers::new(&lines),
            id,
            origin: Origin {
                peer: Peer::Inet("192.0.2.7:4321".parse().unwrap()),
                role: Role::Accepted { listener: 0 },
            },
            now: self.now,
            unix: UNIX,
        })
    }

    /// Waits for the answer to a request that was left waiting.
    pub fn finish(&mut self, waiting: Waiting, head: bool) -> Answer {
        loop {
            self.await_wake(waiting.id);
            match self.service.resume(waiting.token) {
                Reply::Now(response) => {
                    assert_eq!(response.token, Some(waiting.token));
                    return self.read(response, head);
                }
                Reply::Later(token) => assert_eq!(token, waiting.token),
                Reply::Collect { .. } => panic!("a site collects no bodies"),
            }
        }
    }

    /// Whether this was woken before what was last waited for.
    pub fn was_woken(&self, waiting: Waiting) -> bool {
        self.woken.borrow().contains(&waiting.id)
    }

    pub fn await_wake(&self, wanted: ConnId) {
        let mut woken = self.woken.borrow_mut();
        loop {
            if let Some(index) = woken.iter().position(|id| *id == wanted) {
                woken.swap_remove(index);
                return;
            }
            woken.push(self.wakes.recv_timeout(PATIENCE).expect("nobody was woken"));
        }
    }

    /// Takes an answer as the protocol does, and says that it was sent.
    pub fn read(&mut self, response: Response, head: bool) -> Answer {
        let headers = String::from_utf8(response.headers.bytes().to_vec()).unwrap();
        assert!(headers.is_empty() || headers.ends_with("\r\n"), "{headers:?}");
        let body = if head { Vec::new() } else { self.body(&response.body) };
        if let Some(token) = response.token {
            let outcome = Outcome {
                status: response.status,
                body_bytes: body.len() as u64,
                complete: true,
                duration: Duration::from_millis(3),
            };
            self.service.done(token, &outcome);
        }
        Answer { status: response.status, headers, body }
    }

    pub fn body(&self, body: &Body) -> Vec<u8> {
        match body {
            Body::Empty | Body::Absent(_) => Vec::new(),
            Body::Owned(bytes) => bytes.clone(),
            Body::One(segment) => self.segment(segment),
            Body::Many(segments) => segments.iter().flat_map(|part| self.segment(part)).collect(),
        }
    }

    fn segment(&self, segment: &Segment) -> Vec<u8> {
        if let Some(bytes) = segment.source.memory() {
            let start = usize::try_from(segment.offset).unwrap();
            let end = start + usize::try_from(segment.length).unwrap();
            return bytes[start..end].to_vec();
        }
        let Source::File(file) = &segment.source else { unreachable!() };
        let id = ConnId::new(9, 9, 9);
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < segment.length {
            let at = segment.offset + bytes.len() as u64;
            match file.prepare(at, segment.length - bytes.len() as u64, id) {
                Prepared::Ready(count) => {
                    let mut part = vec![0; usize::try_from(count).unwrap()];
                    let read = file.read_at(at, &mut part).unwrap();
                    bytes.extend_from_slice(&part[..read]);
                }
                Prepared::Later => self.await_wake(id),
                Prepared::Short => break,
            }
        }
        bytes
    }
}

impl Answer {
    /// The value of the header with this name; there must not be two.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.split("\r\n").filter_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {}", self.headers);
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a configuration in which `ROOT` stands for a folder.
pub fn parse(toml: &str, root: &Path) -> Config {
    let toml = toml.replace("ROOT", root.to_str().unwrap());
    toml::from_str(&toml).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes files, and the folders they are in.
pub fn write_all(root: &Path, files: &[(&str, &[u8])]) {
    for (name, content) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
