//! Which other sites' scripts may read answers (the Fetch standard, section 3.3): [`Policy`].

use super::rules::{checked_value, is_token};
use crate::config::{self, Complaints};

/// One rule's CORS settings, as header lines.
#[derive(Debug)]
pub(crate) struct Policy {
    /// `None`: every origin.
    origins: Option<Vec<String>>,
    /// Lines for every answer to an allowed origin, but the one that names it.
    pub(crate) answer: String,
    /// Lines for the answer to a preflight, but the one that names the origin.
    pub(crate) preflight: String,
}

/// What `Access-Control-Allow-Origin` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowed<'a> {
    /// `*`, to everyone: the answer does not depend on who asks.
    Everyone,
    /// The origin that asked.
    Origin(&'a str),
    /// Nothing.
    Nobody,
}

impl Policy {
    /// Whether answers to this origin may be read by it.
    pub(crate) fn allows<'a>(&self, origin: Option<&'a [u8]>) -> Allowed<'a> {
        let Some(origins) = &self.origins else { return Allowed::Everyone };
        let origin = origin.and_then(|origin| std::str::from_utf8(origin).ok());
        match origin.filter(|origin| origins.iter().any(|allowed| allowed == origin)) {
            Some(origin) => Allowed::Origin(origin),
            None => Allowed::Nobody,
        }
    }

    /// Whether every answer is the same, whoever asks.
    pub(crate) const fn is_open(&self) -> bool {
        self.origins.is_none()
    }
}

/// Makes a policy and gives its index.
pub(super) fn add(
    cors: &config::Cors,
    policies: &mut Vec<Policy>,
    complaints: &mut Complaints,
) -> u16 {
    let everyone = cors.origins.iter().any(|origin| origin.get_ref() == "*");
    for origin in &cors.origins {
        let text = checked_value(origin, complaints);
        let shaped = text == "*" || text == "null" || is_origin(&text);
        if !shaped {
            let message = format!(
                "{text:?} is no origin; write it like \"https://example.org\", without a path"
            );
            complaints.about(origin, message);
        }
        if text == "*" && cors.credentials {
            let message =
                "`*` and credentials exclude each other (browsers refuse it): name the origins";
            complaints.about(origin, message);
        }
    }
    for name in cors.methods.iter().chain(&cors.headers).chain(&cors.expose) {
        if !is_token(name.get_ref()) {
            complaints
                .about(name, format!("{:?} is no name of a method or header", name.get_ref()));
        }
    }
    let origins = cors.origins.iter().map(|origin| origin.get_ref().clone()).collect();
    policies.push(Policy {
        origins: (!everyone).then_some(origins),
        answer: answer(cors),
        preflight: preflight(cors),
    });
    u16::try_from(policies.len() - 1).unwrap_or(u16::MAX)
}

/// Whether a text is a serialized origin: a scheme, a host, perhaps a port, nothing more.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    is_token(scheme) && !authority.is_empty() && authority.bytes().all(plain)
}

fn list(names: &[config::Spanned<String>]) -> String {
    names.iter().map(|name| name.get_ref().as_str()).collect::<Vec<_>>().join(", ")
}

fn answer(cors: &config::Cors) -> String {
    let mut lines = String::new();
    if cors.credentials {
        lines.push_str("Access-Control-Allow-Credentials: true\r\n");
    }
    if !cors.expose.is_empty() {
        lines.push_str(&format!("Access-Control-Expose-Headers: {}\r\n", list(&cors.expose)));
    }
    lines
}

fn preflight(cors: &config::Cors) -> String {
    let mut lines = String::new();
    if cors.credentials {
        lines.push_str("Access-Control-Allow-Credentials: true\r\n");
    }
    if !cors.methods.is_empty() {
        lines.push_str(&format!("Access-Control-Allow-Methods: {}\r\n", list(&cors.methods)));
    }
    if !cors.headers.is_empty() {
        lines.push_str(&format!("Access-Control-Allow-Headers: {}\r\n", list(&cors.headers)));
    }
    lines.push_str(&format!("Access-Control-Max-Age: {}\r\n", cors.max_age));
    lines
}
