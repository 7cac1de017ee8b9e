//! The slab against a map, and its promises about memory.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec::Vec;

use proptest::prelude::*;

use super::Slab;

#[test]
fn a_64_byte_record_starts_on_a_cache_line_and_takes_no_more() {
    let mut slab = Slab::<[u64; 8]>::new(100).unwrap();
    for number in 0..100 {
        let index = slab.insert([number; 8]).unwrap();
        assert_eq!(core::ptr::from_ref(slab.get(index).unwrap()).addr() % 64, 0);
    }
    assert_eq!(slab.bytes_reserved(), 100 * 64 + 16);
    assert_eq!(slab.bytes_touched(), slab.bytes_reserved());
}

#[test]
fn a_full_slab_gives_the_record_back() {
    let mut slab = Slab::new(2).unwrap();
    assert_eq!((slab.insert('a'), slab.insert('b'), slab.insert('c')), (Ok(0), Ok(1), Err('c')));
    assert_eq!(slab.remove(0), Some('a'));
    assert_eq!(slab.insert('c'), Ok(0));
    assert_eq!(Slab::new(0).unwrap().insert('a'), Err('a'));
}

#[test]
fn the_slot_freed_last_is_used_first() {
    let mut slab = Slab::new(8).unwrap();
    let indices: Vec<u32> = (0..4).map(|number| slab.insert(number).unwrap()).collect();
    slab.remove(indices[1]);
    slab.remove(indices[3]);
    assert_eq!((slab.insert(9), slab.insert(9), slab.insert(9)), (Ok(3), Ok(1), Ok(4)));
}

#[test]
fn records_left_in_the_slab_are_dropped_with_it_once() {
    let token = Rc::new(());
    let mut slab = Slab::new(200).unwrap();
    for _ in 0..150 {
        assert!(slab.insert(Rc::clone(&token)).is_ok());
    }
    slab.remove(7);
    assert_eq!(Rc::strong_count(&token), 150);
    drop(slab);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn indices_never_given_out_are_not_occupied() {
    let mut slab = Slab::<u8>::new(3).unwrap();
    assert_eq!((slab.get(0), slab.get(3), slab.get(u32::MAX)), (None, None, None));
    assert_eq!((slab.remove(2), slab.next_occupied(u32::MAX)), (None, None));
}

#[test]
#[cfg(not(miri))]
fn a_hundred_million_slots_cost_nothing_until_they_are_used() {
    let mut slab = Slab::<[u8; 64]>::new(100_000_000).unwrap();
    assert_eq!(slab.insert([1; 64]), Ok(0));
    assert_eq!(slab.bytes_touched(), 64 + 8);
    assert_eq!(slab.bytes_reserved(), 6_412_500_000);
}

#[derive(Clone, Debug)]
enum Call {
    Insert(u64),
    Remove(u32),
    Change(u32, u64),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => any::<u64>().prop_map(Call::Insert),
        2 => (0..100u32).prop_map(Call::Remove),
        1 => (0..100u32, any::<u64>()).prop_map(|(index, record)| Call::Change(index, record)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_map(capacity in 0..90u32, calls in prop::collection::vec(call(), 0..if cfg!(miri) { 60 } else { 400 })) {
        // Boxed, so that Miri or a leak checker sees a record dropped twice or not at all.
        let mut slab = Slab::new(capacity).unwrap();
        let mut model = BTreeMap::new();
        for call in calls {
            match call {
                Call::Insert(record) => match slab.insert(Box::new(record)) {
                    Ok(index) => {
                        prop_assert!(index < capacity);
                        prop_assert_eq!(model.insert(index, record), None);
                    }
                    Err(back) => {
                        prop_assert_eq!(*back, record);
                        prop_assert_eq!(model.len(), capacity as usize);
                    }
                },
                Call::Remove(index) => {
                    prop_assert_eq!(slab.remove(index).map(|record| *record), model.remove(&index));
                }
                Call::Change(index, record) => {
                    prop_assert_eq!(slab.get(index).map(|held| **held), model.get(&index).copied());
                    if let Some(held) = slab.get_mut(index) {
                        **held = record;
                        model.insert(index, record);
                    }
                }
            }
            prop_assert_eq!(slab.len() as usize, model.len());
        }
        let held: Vec<_> = slab.iter().map(|(index, record)| (index, **record)).collect();
        prop_assert_eq!(held, model.into_iter().collect::<Vec<_>>());
    }
}
