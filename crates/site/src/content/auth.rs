//! Who may see what (RFC 7617): [`Realm`].

use std::collections::HashMap;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};

use super::rules::checked_value;
use crate::config::{self, Complaints, Spanned};

/// A set of users and the challenge that asks for one of them.
#[derive(Debug)]
pub(crate) struct Realm {
    /// The `WWW-Authenticate` line.
    pub(crate) challenge: String,
    users: HashMap<String, String>,
    /// A hash to check against when the user does not exist, so that it takes as long as if he did.
    decoy: String,
}

impl Realm {
    /// Whether this is a user's name and password. Takes milliseconds, by intent.
    pub(crate) fn admits(&self, user: &str, password: &str) -> bool {
        match self.users.get(user) {
            Some(hash) => matches(password, hash),
            None => {
                matches(password, &self.decoy);
                false
            }
        }
    }
}

/// Makes a realm and gives its index.
pub(super) fn add(
    auth: &config::Auth,
    realms: &mut Vec<Realm>,
    complaints: &mut Complaints,
) -> u16 {
    let name = checked_value(&auth.realm, complaints).replace('\\', "\\\\").replace('"', "\\\"");
    for (user, hash) in &auth.users {
        if user.contains(':') || user.bytes().any(|byte| byte.is_ascii_control()) {
            complaints.about(
                hash,
                format!("the user name {user:?} cannot hold a colon or control characters"),
            );
        }
        if !is_hash(hash) {
            let message = format!(
                "the password of {user:?} is no hash this server knows; use bcrypt ($2b$…, as `htpasswd -nB` \
                 makes) or Argon2 ($argon2id$…)"
            );
            complaints.about(hash, message);
        }
    }
    if auth.users.is_empty() {
        complaints.about(&auth.realm, "auth without users lets nobody in; add at least one user");
    }
    let users: HashMap<_, _> =
        auth.users.iter().map(|(user, hash)| (user.clone(), hash.get_ref().clone())).collect();
    let decoy = auth.users.values().next().map(|hash| hash.get_ref().clone()).unwrap_or_default();
    let challenge = format!("WWW-Authenticate: Basic realm=\"{name}\", charset=\"UTF-8\"\r\n");
    realms.push(Realm { challenge, users, decoy });
    u16::try_from(realms.len() - 1).unwrap_or(u16::MAX)
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

fn is_hash(hash: &Spanned<String>) -> bool {
    let hash = hash.get_ref();
    if is_bcrypt(hash) {
        hash.parse::<bcrypt::HashParts>().is_ok()
    } else {
        hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok()
    }
}

/// Both libraries compare in constant time.
fn matches(password: &str, hash: &str) -> bool {
    if is_bcrypt(hash) {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}
