//! Requests from other sites' scripts (the Fetch standard, section 3.3), and OPTIONS, which asks
//! for nothing else here.

use http::{HeaderBlock, Request, Response};

use super::answer::with_lines;
use crate::content::{Allowed, Host, Policy, Settings};
use crate::page::put_vary;
use crate::path::Target;

/// An answer with the lines that let the origin that asked read it, if it may.
pub(super) fn answer(
    response: Response,
    request: &Request<'_>,
    policy: Option<u16>,
    host: &Host,
) -> Response {
    let Some(policy) = policy.and_then(|index| host.policies.get(usize::from(index))) else {
        return response;
    };
    match allowed_line(policy, request) {
        Some(line) => with_lines(response, &[line.as_bytes(), policy.answer.as_bytes()].concat()),
        None => response,
    }
}

/// Whether an answer under this policy depends on which origin asks.
pub(super) fn depends(policy: Option<u16>, host: &Host) -> bool {
    let policy = policy.and_then(|index| host.policies.get(usize::from(index)));
    policy.is_some_and(|policy| !policy.is_open())
}

/// The answer to OPTIONS: what can be done here, and to a preflight also by whom.
pub(super) fn options(request: &Request<'_>, host: &Host) -> Response {
    let mut lines = String::from("Allow: GET, HEAD, OPTIONS\r\n");
    let is_preflight = request.headers.get("origin").is_some()
        && request.headers.get("access-control-request-method").is_some();
    // Of the server as a whole, which is asked about by a star, rules say nothing.
    let path = Target::parse(request.path).map(|target| target.absolute());
    let settings =
        path.as_ref().map_or_else(|_| Settings::default(), |path| host.rules.settings(path, path));
    settings.put_headers(&mut lines);
    let policy = settings.policy.filter(|_| is_preflight);
    put_vary(&mut lines, &[(depends(policy, host), "Origin")]);
    let policy = policy.and_then(|index| host.policies.get(usize::from(index)));
    if let Some(policy) = policy
        && let Some(line) = allowed_line(policy, request)
    {
        lines.push_str(&line);
        lines.push_str(&policy.preflight);
    }
    Response { headers: HeaderBlock::Owned(lines.into_bytes()), ..Response::new(204) }
}

fn allowed_line(policy: &Policy, request: &Request<'_>) -> Option<String> {
    match policy.allows(request.headers.get("origin")) {
        Allowed::Everyone => Some("Access-Control-Allow-Origin: *\r\n".to_owned()),
        Allowed::Origin(origin) => Some(format!("Access-Control-Allow-Origin: {origin}\r\n")),
        Allowed::Nobody => None,
    }
}
