//! From a request to its answer, step by step: method, path, visitor, redirect, file, coding.
//!
//! Invariant: each step either has what it needs, or answers, or names the job to wait for; after
//! the job the steps are taken again from the first with one more fact known.

use std::sync::Arc;

use http::{AcceptEncoding, HeaderBlock, Method, Request, Response};

use super::exchanges::Case;
use super::{SiteService, origin};
use crate::coding::{Coding, PREFERENCE};
use crate::disk::OpenError;
use crate::listing::View;
use crate::load::Loaded;
use crate::mailbox::JobId;
use crate::page::{Page, Variant, put_vary};
use crate::path::{PathError, Target};

/// Why the steps end early.
pub(super) enum Stop {
    /// This job has to be done first.
    Wait(JobId),
    /// There is an answer.
    Answer(Box<Response>),
}

impl From<Response> for Stop {
    fn from(response: Response) -> Self {
        Self::Answer(Box::new(response))
    }
}

/// What a page has for a client.
enum Pick<'p> {
    /// This.
    Variant(&'p Variant),
    /// What it likes best has yet to be made.
    Make(Coding),
    /// Nothing that it accepts.
    Nothing,
}

impl SiteService {
    /// The answer to a plain request for a page that is at hand: one look-up.
    pub(super) fn at_hand(&mut self, request: &Request<'_>) -> Option<Response> {
        if !matches!(request.method, Method::Get | Method::Head) {
            return None;
        }
        let host = self.content.host(request.host);
        let (page, checked) = self.cache.get(host, request.path)?;
        // The page may be at hand because it stands for others, as the one for an error does.
        let is_elsewhere = || self.content.hosts[host].redirects.find(request.path, None).is_some();
        if page.realm.is_some() || page.is_due(self.now.since(checked)) || is_elsewhere() {
            return None;
        }
        let accepted = page.is_negotiated().then(|| self.preference.of(request));
        let Pick::Variant(variant) = pick(page, accepted, true) else { return None };
        let response = variant.representation().respond(request, &mut self.boundaries);
        if is_error(&response) {
            return None;
        }
        self.counters.hits.add(1);
        Some(match page.policy {
            None => response,
            Some(_) => origin::answer(response, request, page.policy, &self.content.hosts[host]),
        })
    }

    /// Takes all steps for a request, as far as the facts in `case` allow.
    pub(super) fn answer(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
    ) -> Result<Response, JobId> {
        match self.steps(case, request) {
            Ok(response) => Ok(response),
            Err(Stop::Answer(response)) => Ok(*response),
            Err(Stop::Wait(job)) => Err(job),
        }
    }

    fn steps(&mut self, case: &mut Case, request: &Request<'_>) -> Result<Response, Stop> {
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => return Ok(origin::options(request, &case.content.hosts[case.host])),
            Method::Post | Method::Other(_) => return self.error(case, request, 405),
        }
        let target = match Target::parse(request.path) {
            Ok(target) => target,
            Err(PathError::Malformed) => return self.error(case, request, 400),
            Err(PathError::Hidden) => return self.error(case, request, 404),
        };
        let content = Arc::clone(&case.content);
        let host = &content.hosts[case.host];
        let absolute = target.absolute();
        self.admit(case, request, host.rules.settings(&absolute, &absolute).realm)?;
        let path = target.canonical();
        if let Some((status, location)) = host.redirects.find(&path, request.query) {
            return Ok(self.decorated(case, request, redirect(status, &location), false));
        }
        match self.load(case, request, &target)? {
            Loaded::Page(page) => self.send(case, request, &path, &page),
            Loaded::Slashless => {
                // `path` is canonical: it names this host whatever the request looked like.
                let query = request.query.map_or(String::new(), |query| format!("?{query}"));
                let answer = redirect(301, &format!("{path}/{query}"));
                Ok(self.decorated(case, request, answer, false))
            }
            Loaded::Folder if host.listing => {
                let page = self.list(case, request, &target, View::of(request))?;
                self.send(case, request, &path, &page)
            }
            Loaded::Folder => self.fall_back(case, request, &target, 403),
            Loaded::Nothing(OpenError::NotFound) => self.fall_back(case, request, &target, 404),
            Loaded::Nothing(error) => self.error(case, request, status(error)),
            Loaded::Unchanged => self.error(case, request, 500),
        }
    }

    /// The answer where there is no file: the page that stands for all others, where the host has
    /// one and a browser goes to a page.
    fn fall_back(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        target: &Target,
        status: u16,
    ) -> Result<Response, Stop> {
        let content = Arc::clone(&case.content);
        let fallback = content.hosts[case.host].spa_fallback.as_deref();
        let wanted = fallback.filter(|_| !target.has_extension() && is_navigation(request));
        if let Some(fallback) = wanted.and_then(|path| Target::parse(path).ok())
            && let Loaded::Page(page) = self.load(case, request, &fallback)?
        {
            return self.send(case, request, &fallback.canonical(), &page);
        }
        self.error(case, request, status)
    }

    /// The answer to a request that this page is for, in the coding that the client likes best.
    ///
    /// What has yet to be compressed is waited for: it takes milliseconds, the shorter answer
    /// saves most clients more than that, and everyone gets the same tag for the same coding.
    /// Only when many are waiting already does this one get what is there.
    fn send(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        path: &str,
        page: &Arc<Page>,
    ) -> Result<Response, Stop> {
        self.admit(case, request, page.realm)?;
        let accepted = page.is_negotiated().then(|| AcceptEncoding::of(request));
        let picked = match pick(page, accepted, true) {
            Pick::Make(coding) => match self.code(case, path, page, coding) {
                Some(job) => return Err(Stop::Wait(job)),
                None => pick(page, accepted, false),
            },
            picked => picked,
        };
        let Pick::Variant(variant) = picked else { return self.error(case, request, 406) };
        let response = variant.representation().respond(request, &mut self.boundaries);
        if is_error(&response) {
            let error = self.error(case, request, response.status)?;
            return Ok(with_lines(error, response.headers.bytes()));
        }
        Ok(origin::answer(response, request, page.policy, &case.content.hosts[case.host]))
    }

    /// The answer for an error: the host's own page for it, or a plain one.
    pub(super) fn error(
        &mut self,
        case: &mut Case,
        request: &Request<'_>,
        status: u16,
    ) -> Result<Response, Stop> {
        let content = Arc::clone(&case.content);
        let own = content.hosts[case.host].error_pages.get(&status);
        let mut is_negotiated = false;
        let mut response = self.site.error_pages().response(status);
        if let Some(target) = own.and_then(|path| Target::parse(path).ok())
            && !std::mem::replace(&mut case.failing, true)
        {
            let loaded = self.load(case, request, &target);
            case.failing = false;
            if let Loaded::Page(page) = loaded?
                && let accepted = Some(AcceptEncoding::of(request))
                && let Pick::Variant(variant) = pick(&page, accepted, false)
            {
                response = super::errors::with_page(response, variant);
                is_negotiated = page.is_negotiated();
            }
        }
        Ok(self.decorated(case, request, response, is_negotiated))
    }

    /// An answer that is no page, with what the rules add to every answer. Caches keep such answers,
    /// too, and have to know what they depend on.
    fn decorated(
        &self,
        case: &Case,
        request: &Request<'_>,
        response: Response,
        is_negotiated: bool,
    ) -> Response {
        let host = &case.content.hosts[case.host];
        let Ok(target) = Target::parse(request.path) else { return response };
        let path = target.absolute();
        let settings = host.rules.settings(&path, &path);
        let mut lines = String::new();
        let depends = origin::depends(settings.policy, host);
        put_vary(&mut lines, &[(is_negotiated, "Accept-Encoding"), (depends, "Origin")]);
        settings.put_headers(&mut lines);
        let response = with_lines(response, lines.as_bytes());
        origin::answer(response, request, settings.policy, host)
    }
}

/// The variant for a client; with `make`, also one that has yet to be made. `accepted` is of no
/// meaning for a page of one coding.
fn pick(page: &Page, accepted: Option<AcceptEncoding>, make: bool) -> Pick<'_> {
    let of = |coding| match page.variant(coding) {
        Some(Some(variant)) => Pick::Variant(variant),
        Some(None) => Pick::Nothing,
        None => Pick::Make(coding),
    };
    let Some(accepted) = accepted else { return of(Coding::Identity) };
    let there = PREFERENCE.into_iter().filter(|coding| match of(*coding) {
        Pick::Variant(_) => true,
        Pick::Make(_) => make,
        Pick::Nothing => false,
    });
    accepted.choose(there).map_or(Pick::Nothing, of)
}

/// Whether a browser is on its way to a page, rather than a script after data.
fn is_navigation(request: &Request<'_>) -> bool {
    if let Some(mode) = request.headers.get("sec-fetch-mode") {
        return mode == b"navigate";
    }
    let contains =
        |value: &[u8], part: &[u8]| value.windows(part.len()).any(|window| window == part);
    match request.headers.get("accept") {
        Some(value) => contains(value, b"text/html") || contains(value, b"*/*"),
        None => true,
    }
}

/// Whether conditions or ranges came to an answer that is no part of the page.
const fn is_error(response: &Response) -> bool {
    matches!(response.status, 412 | 416)
}

pub(super) fn with_lines(response: Response, lines: &[u8]) -> Response {
    if lines.is_empty() {
        return response;
    }
    let headers = HeaderBlock::Owned([response.headers.bytes(), lines].concat());
    Response { headers, ..response }
}

fn redirect(status: u16, location: &str) -> Response {
    let line = format!("Location: {location}\r\n");
    Response { headers: HeaderBlock::Owned(line.into_bytes()), ..Response::new(status) }
}

pub(super) const fn status(error: OpenError) -> u16 {
    match error {
        OpenError::NotFound => 404,
        OpenError::Forbidden => 403,
        OpenError::Exhausted => 503,
        OpenError::Failed => 500,
    }
}
