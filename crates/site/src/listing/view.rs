//! How a listing is asked for: [`View`], from `?format=`, `?sort=`, `?order=` and `Accept`.

use http::{Headers, Request};

/// What a listing is to look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct View {
    pub(crate) format: Format,
    pub(super) key: Key,
    pub(super) descending: bool,
}

/// Whom it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// People.
    Html,
    /// Programs.
    Json,
}

/// What it is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Name,
    Size,
    Date,
}

impl View {
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let parameter = |name: &str| {
            let pairs = request.query.unwrap_or_default().split('&');
            pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)
        };
        let format = match parameter("format") {
            Some((_, "json")) => Format::Json,
            Some((_, "html")) => Format::Html,
            _ if prefers_json(request.headers) => Format::Json,
            _ => Format::Html,
        };
        let key = match parameter("sort") {
            Some((_, "size")) => Key::Size,
            Some((_, "date")) => Key::Date,
            _ => Key::Name,
        };
        let descending = matches!(parameter("order"), Some((_, "desc")));
        Self { format, key, descending }
    }
}

/// Whether JSON is named in `Accept` and HTML is not: whoever names both is a browser.
fn prefers_json(headers: Headers<'_>) -> bool {
    let names = |wanted: &str| {
        headers.all("accept").flat_map(|value| value.split(|&byte| byte == b',')).any(|range| {
            let media = range.split(|&byte| byte == b';').next().unwrap_or_default();
            media.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
        })
    };
    names("application/json") && !names("text/html")
}

impl Key {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Date => "date",
        }
    }
}
