//! The site that is part of the program, for when there is nothing else to serve: [`page`].

use std::sync::Arc;

use crate::coding::Coding;
use crate::content::{Compression, Host};
use crate::mime;
use crate::page::{Body, Common, Page};

/// Canonical path, name, content.
const FILES: [(&str, &str, &[u8]); 2] = [
    ("/", "index.html", include_bytes!("index.html")),
    ("/favicon.svg", "favicon.svg", include_bytes!("favicon.svg")),
];

/// The built-in page at a canonical path.
pub(crate) fn page(host: &Host, compression: &Compression, path: &str) -> Option<Arc<Page>> {
    let (_, name, bytes) = FILES.iter().find(|(known, _, _)| *known == path)?;
    let settings = host.rules.settings(path.as_bytes(), path.as_bytes());
    let content_type = mime::of(name.as_bytes());
    let common = Common::new(&content_type, None, "", &settings, &host.policies);
    let mut page = Page::new(common, &settings, &host.policies);
    page.plan(compression, bytes.len() as u64, &[]);
    page.put(Coding::Identity, Some(Body::fixed(bytes)));
    Some(Arc::new(page))
}
