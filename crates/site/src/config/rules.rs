//! The parts of a host's configuration that concern some of its paths: [`Rule`], [`Redirect`],
//! [`Cors`], [`Auth`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_spanned::Spanned;

/// Settings for the paths that match a pattern: a `[[host.rule]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Which paths: `*` is any part of one segment, `**` any number of segments, `{a,b}` either.
    pub path: Spanned<String>,
    /// The value of `Cache-Control`.
    pub cache_control: Option<Spanned<String>>,
    /// Header lines added to every answer to these paths.
    #[serde(default)]
    pub headers: BTreeMap<String, Spanned<String>>,
    /// The `Content-Type` of these files, whatever their name says.
    pub content_type: Option<Spanned<String>>,
    /// Which other sites' scripts may read the answers.
    pub cors: Option<Cors>,
    /// Who may see these paths.
    pub auth: Option<Auth>,
}

/// Which other sites' scripts may read answers (the Fetch standard's CORS protocol).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cors {
    /// Origins, like `https://example.org`, or `*` for all.
    pub origins: Vec<Spanned<String>>,
    /// Methods allowed after a preflight.
    #[serde(default = "Cors::default_methods")]
    pub methods: Vec<Spanned<String>>,
    /// Request headers allowed after a preflight.
    #[serde(default)]
    pub headers: Vec<Spanned<String>>,
    /// Response headers that scripts may see.
    #[serde(default)]
    pub expose: Vec<Spanned<String>>,
    /// Whether requests may carry cookies and passwords. Not with `*`.
    #[serde(default)]
    pub credentials: bool,
    /// Seconds for which a preflight's answer may be kept.
    #[serde(default = "Cors::default_max_age")]
    pub max_age: u32,
}

impl Cors {
    fn default_methods() -> Vec<Spanned<String>> {
        ["GET", "HEAD"].map(|method| super::unspanned(method.to_owned())).into()
    }

    const fn default_max_age() -> u32 {
        600
    }
}

/// Basic authentication (RFC 7617).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Auth {
    /// What the browser shows when it asks for the password.
    #[serde(default = "Auth::default_realm")]
    pub realm: Spanned<String>,
    /// Password hashes by user name: bcrypt (`$2b$…`) or Argon2 (`$argon2id$…`).
    pub users: BTreeMap<String, Spanned<String>>,
}

impl Auth {
    fn default_realm() -> Spanned<String> {
        super::unspanned("Restricted".to_owned())
    }
}

/// A redirect: a `[[host.redirect]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Redirect {
    /// The path: exact, or with `:name` for one segment, or with `/*` at its end for all the rest.
    pub from: Spanned<String>,
    /// Where to: a path or an absolute URL, in which `:name` and `*` stand for what they matched.
    pub to: Spanned<String>,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "Redirect::default_status")]
    pub status: Spanned<u16>,
}

impl Redirect {
    fn default_status() -> Spanned<u16> {
        super::unspanned(301)
    }
}
