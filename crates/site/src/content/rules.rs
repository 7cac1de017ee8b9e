//! Settings by path: [`Rules`], and what they come to for one path: [`Settings`].

use globset::{GlobBuilder, GlobMatcher};

use super::{Policy, Realm, auth, cors};
use crate::config::{self, Complaints, Spanned};

/// A host's rules, in their order.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// The realm of the host as a whole.
    whole: Option<u16>,
}

#[derive(Debug)]
struct Rule {
    matcher: Option<GlobMatcher>,
    cache_control: Option<String>,
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    policy: Option<u16>,
    realm: Option<u16>,
}

/// What the rules say about one path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settings<'a> {
    pub(crate) cache_control: Option<&'a str>,
    /// Names and values; each name once.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) content_type: Option<&'a str>,
    /// Index of the CORS policy.
    pub(crate) policy: Option<u16>,
    /// Index of the realm that a visitor has to belong to.
    pub(crate) realm: Option<u16>,
}

/// Headers that a rule cannot set, because the server does.
const MANAGED: [&str; 18] = [
    "accept-ranges",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "x-content-type-options",
];

impl Rules {
    pub(super) fn new(
        rules: &[config::Rule],
        whole: Option<u16>,
        realms: &mut Vec<Realm>,
        policies: &mut Vec<Policy>,
        complaints: &mut Complaints,
    ) -> Self {
        let mut made = Vec::new();
        for rule in rules {
            let text = |value: &Option<Spanned<String>>, complaints: &mut Complaints| {
                value.as_ref().map(|value| checked_value(value, complaints))
            };
            made.push(Rule {
                matcher: matcher(&rule.path, complaints),
                cache_control: text(&rule.cache_control, complaints),
                headers: headers(rule, complaints),
                content_type: text(&rule.content_type, complaints),
                policy: rule.cors.as_ref().map(|cors| cors::add(cors, policies, complaints)),
                realm: rule.auth.as_ref().map(|auth| auth::add(auth, realms, complaints)),
            });
        }
        Self { rules: made, whole }
    }

    /// What the rules say when `requested` is answered with the file at `served`: absolute decoded
    /// paths, the same where no other file stands for what was asked for. A rule counts when
    /// it matches either.
    pub(crate) fn settings(&self, requested: &[u8], served: &[u8]) -> Settings<'_> {
        let mut settings = Settings { realm: self.whole, ..Settings::default() };
        for rule in &self.rules {
            let Some(matcher) = &rule.matcher else { continue };
            if matcher.is_match(as_path(requested)) || matcher.is_match(as_path(served)) {
                rule.apply(&mut settings);
            }
        }
        settings
    }
}

impl Rule {
    fn apply<'a>(&'a self, settings: &mut Settings<'a>) {
        settings.cache_control = self.cache_control.as_deref().or(settings.cache_control);
        settings.content_type = self.content_type.as_deref().or(settings.content_type);
        settings.policy = self.policy.or(settings.policy);
        settings.realm = self.realm.or(settings.realm);
        for (name, value) in &self.headers {
            settings.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            settings.headers.push((name, value));
        }
    }
}

impl Settings<'_> {
    /// Writes the lines that rules add to every answer.
    pub(crate) fn put_headers(&self, lines: &mut String) {
        for (name, value) in &self.headers {
            lines.push_str(name);
            lines.push_str(": ");
            lines.push_str(value);
            lines.push_str("\r\n");
        }
    }
}

fn as_path(bytes: &[u8]) -> &std::path::Path {
    std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

fn matcher(pattern: &Spanned<String>, complaints: &mut Complaints) -> Option<GlobMatcher> {
    let text = pattern.get_ref();
    // A pattern without a place is one for every folder.
    let anchored = if text.starts_with('/') { text.clone() } else { format!("/**/{text}") };
    match GlobBuilder::new(&anchored).literal_separator(true).build() {
        Ok(glob) => Some(glob.compile_matcher()),
        Err(error) => {
            complaints
                .about(pattern, format!("the pattern {text:?} cannot be read: {}", error.kind()));
            None
        }
    }
}

fn headers(rule: &config::Rule, complaints: &mut Complaints) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in &rule.headers {
        let lower = name.to_ascii_lowercase();
        if !is_token(name) {
            complaints.about(value, format!("{name:?} is no header name"));
        } else if MANAGED.contains(&lower.as_str()) {
            let message = format!(
                "{name} is set by the server itself and cannot be a rule's header \
                 (there are settings for Cache-Control and Content-Type)"
            );
            complaints.about(value, message);
        } else if lower.starts_with("access-control-") {
            complaints.about(value, format!("{name} belongs to CORS: use the rule's `cors` table"));
        }
        headers.push((name.clone(), checked_value(value, complaints)));
    }
    headers
}

/// Whether a text is a token, as header and method names are (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(inside)
}

/// A header's value, which must not break out of its line.
pub(super) fn checked_value(value: &Spanned<String>, complaints: &mut Complaints) -> String {
    let text = value.get_ref().trim();
    if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        complaints.about(value, "a header's value cannot hold line breaks or control characters");
    }
    text.to_owned()
}
