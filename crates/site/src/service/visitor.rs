//! Who is asking: Basic authentication (RFC 7617).
//!
//! Invariant: a password is checked on the pool, never here. What is remembered of those that were
//! right is a keyed digest, which tells nothing about them and which nobody outside can aim at.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use sha2::{Digest, Sha256};

use super::SiteService;
use super::answer::{Stop, with_lines};
use super::exchanges::Case;
use super::jobs::{Outcome, Purpose};
use crate::pool::Work;

/// Most visitors remembered; then all are forgotten and checked anew.
const REMEMBERED: usize = 4_096;

/// Most bytes of a user's name and password together.
const LONGEST: usize = 1_024;

/// Visitors whose password was right.
#[derive(Debug)]
pub(super) struct Visitors {
    key: [u8; 32],
    admitted: HashSet<[u8; 32]>,
}

impl Visitors {
    /// Knows nobody. `key` is random.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, admitted: HashSet::new() }
    }

    /// Forgets everybody.
    pub(super) fn forget(&mut self) {
        self.admitted.clear();
    }

    /// Remembers one whose password was right.
    pub(super) fn remember(&mut self, digest: [u8; 32]) {
        if self.admitted.len() >= REMEMBERED {
            self.admitted.clear();
        }
        self.admitted.insert(digest);
    }

    fn digest(&self, host: usize, realm: u16, credentials: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update((host as u64).to_le_bytes());
        hasher.update(realm.to_le_bytes());
        hasher.update(credentials);
        hasher.finalize().into()
    }
}

/// A name and a password.
struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Those that a request gives, if they can be read.
    fn of(request: &Request<'_>) -> Option<Self> {
        let text = STANDARD.decode(encoded(request)?).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (user, password) = text.split_once(':')?;
        let plain = !text.bytes().any(|byte| byte.is_ascii_control());
        (plain && text.len() <= LONGEST)
            .then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// What follows `Basic` in the one `Authorization` line.
fn encoded<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let mut values = request.headers.all("authorization");
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, rest) = value.split_at_checked(5)?;
    (scheme.eq_ignore_ascii_case(b"basic") && rest.starts_with(b" ")).then(|| rest.trim_ascii())
}

impl SiteService {
    /// Goes on when the visitor may see what belongs to `realm`.
    pub(super) fn admit(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        realm: Option<u16>,
    ) -> Result<(), Stop> {
        let Some(realm) = realm else { return Ok(()) };
        let (Some(encoded), Some(credentials)) = (encoded(request), Credentials::of(request))
        else {
            return Err(self.challenge(case, request, realm));
        };
        let digest = self.visitors.digest(case.host, realm, encoded);
        let known = case.generation == self.generation && self.visitors.admitted.contains(&digest);
        let told = case.admitted.iter().find(|(told, _)| *told == realm);
        match told.map_or(known.then_some(true), |(_, admitted)| Some(*admitted)) {
            Some(true) => {
                case.user = Some(credentials.user);
                return Ok(());
            }
            Some(false) => return Err(self.challenge(case, request, realm)),
            None => {}
        }
        let (content, host) = (Arc::clone(&case.content), case.host);
        let verify = move || {
            let realm = &content.hosts[host].realms[usize::from(realm)];
            Outcome::Verified(realm.admits(&credentials.user, &credentials.password))
        };
        let purpose = Purpose::Verify { generation: case.generation, realm, digest };
        let failure = Outcome::Verified(false);
        match self.jobs.post(purpose, Work::Compute, failure, verify) {
            Some(job) => Err(Stop::Wait(job)),
            None => Err(self.busy(case, request)),
        }
    }

    /// Asks for a name and a password.
    fn challenge(&mut self, case: &mut Case, request: &Request<'_>, realm: u16) -> Stop {
        match self.error(case, request, 401) {
            Ok(response) => {
                let line = &case.content.hosts[case.host].realms[usize::from(realm)].challenge;
                with_lines(response, line.as_bytes()).into()
            }
            Err(stop) => stop,
        }
    }
}
