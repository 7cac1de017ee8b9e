//! Coded content is made once and never takes more memory than it may.

use std::sync::Arc;

use super::{Coded, Key, Original};
use crate::coding::Coding;
use crate::compress::Levels;

fn key(content: u128) -> Key {
    Key { original: Original::Content(content), coding: Coding::Gzip, levels: Levels::default() }
}

fn made(bytes: usize) -> Option<Arc<[u8]>> {
    Some(vec![b'x'; bytes].into())
}

#[test]
fn a_result_is_made_once_also_when_it_is_that_there_is_none() {
    let coded = Coded::new(10_000);
    assert_eq!(coded.get(key(1), || made(10)), made(10));
    assert_eq!(coded.get(key(1), || panic!("made twice")), made(10));
    assert_eq!(coded.get(key(2), || None), None);
    assert_eq!(coded.get(key(2), || panic!("made twice")), None);
    let other = Key { coding: Coding::Brotli, ..key(1) };
    assert_eq!(coded.get(other, || made(20)), made(20));
    let harder = Key { levels: Levels { gzip: Some(9), ..Levels::default() }, ..key(1) };
    assert_eq!(coded.get(harder, || made(5)), made(5));
}

#[test]
fn it_never_holds_more_than_it_may_and_drops_the_oldest() {
    let coded = Coded::new(10_000);
    for content in 0..100 {
        coded.get(key(content), || made(1_000));
        coded.get(key(0), || made(1_000));
        assert!(coded.bytes() <= 10_000);
    }
    coded.get(key(0), || panic!("it was in use all the time"));
    let mut again = false;
    coded.get(key(50), || {
        again = true;
        made(1_000)
    });
    assert!(again, "the oldest was kept");
    assert_eq!(coded.get(key(200), || made(20_000)), made(20_000));
    assert!(coded.bytes() <= 10_000);
    coded.limit(1_600);
    assert!(coded.bytes() <= 1_600);
}
