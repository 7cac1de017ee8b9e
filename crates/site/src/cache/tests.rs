//! The cache stays within its budget, whatever is put in, and finds what is there.

use std::sync::Arc;

use base::Instant;
use proptest::prelude::*;

use super::{Cache, Cost};
use crate::coding::Coding;
use crate::content::Settings;
use crate::page::{Body, Common, Page};

fn page(bytes: usize) -> Arc<Page> {
    let settings = Settings::default();
    let common = Common::new("text/plain", None, "", &settings, &[]);
    let page = Page::new(common, &settings, &[]);
    page.put(Coding::Identity, Some(Body::memory(vec![b'x'; bytes].into())));
    Arc::new(page)
}

fn cache(bytes: u64) -> Cache {
    Cache::new(Cost { bytes, files: 0 })
}

#[test]
fn pages_are_kept_by_host_and_path() {
    let mut cache = cache(100_000);
    let (one, other) = (page(10), page(20));
    cache.insert(0, "/a", Arc::clone(&one), Instant::from_millis(1));
    cache.insert(1, "/a", Arc::clone(&other), Instant::from_millis(2));
    let is = |found: Option<(&Arc<Page>, Instant)>, page: &Arc<Page>, millis| {
        found.is_some_and(|(found, at)| {
            Arc::ptr_eq(found, page) && at == Instant::from_millis(millis)
        })
    };
    assert!(is(cache.get(0, "/a"), &one, 1) && is(cache.get(1, "/a"), &other, 2));
    assert!(cache.get(0, "/b").is_none() && cache.get(2, "/a").is_none());
    cache.confirm(0, "/a", Instant::from_millis(3));
    assert!(is(cache.get(0, "/a"), &one, 3));
    cache.insert(0, "/a", Arc::clone(&other), Instant::from_millis(4));
    assert!(is(cache.get(0, "/a"), &other, 4));
    cache.remove(0, "/a");
    assert!(cache.get(0, "/a").is_none());
    assert_eq!(cache.len(), 1);
    cache.remove(1, "/a");
    assert_eq!(cache.held(), Cost::default());
}

#[test]
fn what_is_in_use_stays_and_what_is_not_makes_way() {
    let mut cache = cache(20_000);
    for number in 0..10 {
        cache.insert(0, &format!("/{number}"), page(1_000), Instant::ZERO);
    }
    for number in 10..1_000 {
        // Every third of the time somebody asks for these two.
        assert!(cache.get(0, "/3").is_some() && cache.get(0, "/7").is_some(), "{number}");
        for _ in 0..3 {
            cache.insert(0, &format!("/{number}"), page(1_000), Instant::ZERO);
        }
    }
    assert!(cache.get(0, "/5").is_none());
}

#[test]
fn what_is_larger_than_the_cache_is_not_kept_and_drives_nothing_out() {
    let mut cache = cache(10_000);
    cache.insert(0, "/small", page(100), Instant::ZERO);
    cache.insert(0, "/large", page(10_000), Instant::ZERO);
    assert!(cache.get(0, "/small").is_some() && cache.get(0, "/large").is_none());
}

#[test]
fn a_page_that_grew_is_counted_anew() {
    let mut cache = cache(10_000);
    let growing = page(100);
    cache.insert(0, "/a", Arc::clone(&growing), Instant::ZERO);
    let before = cache.held().bytes;
    growing.put(Coding::Brotli, Some(Body::memory(vec![b'y'; 500].into())));
    cache.recount(0, "/a", &growing);
    assert!(cache.held().bytes >= before + 500);
    growing.put(Coding::Gzip, Some(Body::memory(vec![b'z'; 20_000].into())));
    cache.recount(0, "/a", &growing);
    assert_eq!(cache.held(), Cost::default());
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(usize, u8, usize),
    Get(usize, u8),
    Remove(usize, u8),
}

fn operation() -> impl Strategy<Value = Operation> {
    let place = (0..2_usize, 0..40_u8);
    prop_oneof![
        4 => (place.clone(), 0..6_000_usize).prop_map(|((host, path), size)| Operation::Insert(host, path, size)),
        2 => place.clone().prop_map(|(host, path)| Operation::Get(host, path)),
        1 => place.prop_map(|(host, path)| Operation::Remove(host, path)),
    ]
}

proptest! {
    #[test]
    fn it_never_holds_more_than_it_may_and_never_gives_out_another_page(
        operations in proptest::collection::vec(operation(), 0..200),
    ) {
        let limit = 20_000;
        let mut cache = cache(limit);
        let mut model = std::collections::HashMap::new();
        for operation in operations {
            match operation {
                Operation::Insert(host, path, size) => {
                    let page = page(size);
                    cache.insert(host, &path.to_string(), Arc::clone(&page), Instant::ZERO);
                    model.insert((host, path), page);
                }
                Operation::Get(host, path) => {
                    let found = cache.get(host, &path.to_string()).map(|(page, _)| Arc::clone(page));
                    if let Some(found) = found {
                        let same = model.get(&(host, path)).is_some_and(|page| Arc::ptr_eq(page, &found));
                        prop_assert!(same);
                    }
                }
                Operation::Remove(host, path) => {
                    cache.remove(host, &path.to_string());
                    model.remove(&(host, path));
                    prop_assert!(cache.get(host, &path.to_string()).is_none());
                }
            }
            prop_assert!(cache.held().bytes <= limit);
            prop_assert_eq!(cache.len() == 0, cache.held() == Cost::default());
        }
    }
}
