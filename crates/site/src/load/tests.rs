//! When what is at hand may be taken for what is on disk.

use std::sync::Arc;

use tempfile::TempDir;

use super::{Loaded, Order};
use crate::config::Config;
use crate::content::Content;
use crate::disk::OpenError;
use crate::page::Stamps;
use crate::path::Target;
use crate::pool::Pool;

struct Nobody;

impl app::Wake for Nobody {
    fn wake(&self, _: base::ConnId) {}
}

fn order(content: &Arc<Content>, pool: &Pool, known: Option<Stamps>) -> Order {
    Order {
        content: Arc::clone(content),
        host: 0,
        target: Target::parse("/a").unwrap(),
        known,
        queue: pool.queue(),
        wake: Arc::new(Nobody),
    }
}

/// Two states of a file within one tick of its file system's clock have the same stamp: a page made
/// so soon after a change is never taken for current on the stamp's word.
#[test]
fn a_stamp_that_was_not_settled_proves_nothing() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a"), "content").unwrap();
    let content = Content::open(&Config::folder(folder.path().to_owned())).unwrap();
    let (content, pool) = (Arc::new(content), Pool::start(1, 1).unwrap());
    let Loaded::Page(page) = order(&content, &pool, None).fill() else { panic!("no page") };
    let stamps = page.stamps.clone().unwrap();
    assert!(!stamps.settled, "it was made just now");
    let known = Some(stamps.clone());
    assert!(matches!(order(&content, &pool, known).fill(), Loaded::Page(_)));
    let known = Some(Stamps { settled: true, ..stamps });
    assert!(matches!(order(&content, &pool, known.clone()).fill(), Loaded::Unchanged));
    std::fs::write(folder.path().join("a"), "changed").unwrap();
    assert!(matches!(order(&content, &pool, known.clone()).fill(), Loaded::Page(_)));
    std::fs::remove_file(folder.path().join("a")).unwrap();
    let gone = order(&content, &pool, known).fill();
    assert!(matches!(gone, Loaded::Nothing(OpenError::NotFound)), "{gone:?}");
}
