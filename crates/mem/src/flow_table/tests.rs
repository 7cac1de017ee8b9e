//! The flow table against a map, with growth under load, and its promise about memory.

use std::collections::BTreeMap;
use std::vec::Vec;

use base::{Prng, SipKey};
use proptest::prelude::*;

use super::{FlowTable, Full};

const KEY: SipKey = SipKey::new([1, 2]);

fn hash(flow: u32) -> u64 {
    KEY.table_hash([u64::from(flow)])
}

/// A table of the flows 0..count, each its own index.
fn filled(capacity: u32, count: u32) -> FlowTable {
    let mut table = FlowTable::new(capacity).unwrap();
    for flow in 0..count {
        assert_eq!(table.insert(hash(flow), flow, hash), Ok(()));
    }
    table
}

#[test]
fn finds_what_is_there_and_nothing_else() {
    let count = if cfg!(miri) { 100 } else { 50_000 };
    let table = filled(count, count);
    for flow in 0..count {
        assert_eq!(table.find(hash(flow), |index| index == flow), Some(flow));
    }
    for flow in count..2 * count {
        assert_eq!(table.find(hash(flow), |index| index == flow), None);
    }
}

#[test]
fn a_full_table_refuses_and_stays_as_it_is() {
    let mut table = filled(100, 100);
    assert_eq!(table.insert(hash(100), 100, hash), Err(Full));
    assert!(table.remove(hash(7), 7));
    assert!(!table.remove(hash(7), 7));
    assert_eq!(table.insert(hash(100), 100, hash), Ok(()));
    assert_eq!((table.len(), table.find(hash(7), |index| index == 7)), (100, None));
    assert_eq!(FlowTable::new(0).unwrap().insert(1, 1, hash), Err(Full));
}

/// At most 12 bytes a flow at every size from a thousand on, in whichever phase of growth, with a
/// capacity far larger than what is used.
#[test]
#[cfg(not(miri))]
fn a_flow_takes_at_most_12_bytes_at_every_size() {
    let mut table = FlowTable::new(10_000_000).unwrap();
    for flow in 0..600_000 {
        assert_eq!(table.insert(hash(flow), flow, hash), Ok(()));
        let bytes = table.bytes_touched();
        assert!(flow < 1_000 || bytes <= 12 * flow as usize, "{bytes} bytes for {flow} flows");
    }
    assert!(table.chained < table.buckets as u32 / 8, "{table:?}");
}

#[test]
#[cfg(not(miri))]
fn a_table_of_the_size_it_was_made_for_can_be_filled() {
    for capacity in [1, 2, 10, 31, 100, 1_000, 10_000, 65_536, 100_000] {
        filled(capacity, capacity);
    }
}

#[test]
fn an_insert_rehashes_one_bucket_at_most() {
    let mut table = FlowTable::new(10_000).unwrap();
    let count = if cfg!(miri) { 100 } else { 10_000 };
    for flow in 0..count {
        let mut rehashed = 0;
        let inserted = table.insert(hash(flow), flow, |index| {
            rehashed += 1;
            hash(index)
        });
        assert_eq!(inserted, Ok(()));
        assert!(rehashed <= 40, "{rehashed} flows rehashed in one insert");
    }
}

/// Only a broken or guessed key gets here. What is in the table stays reachable.
#[test]
fn hashes_that_all_collide_run_out_of_chain_and_harm_nothing() {
    let mut table = FlowTable::new(1_000).unwrap();
    let accepted = (0..1_000).take_while(|&flow| table.insert(9, flow, |_| 9).is_ok()).count();
    assert!((100..1_000).contains(&accepted));
    for flow in 0..accepted as u32 {
        assert_eq!(table.find(9, |index| index == flow), Some(flow));
    }
    (0..accepted as u32).for_each(|flow| assert!(table.remove(9, flow)));
    assert_eq!((table.len(), table.chained), (0, 0));
}

/// What is loaded ahead is what will be looked at.
#[test]
fn nearly_every_flow_is_likely_where_it_is() {
    let count = if cfg!(miri) { 90 } else { 20_000 };
    let table = filled(count, count);
    let (mut first, mut second) = (0, 0);
    for flow in 0..count {
        table.prefetch_chain(hash(flow));
        match table.likely(hash(flow)) {
            Some(likely) => first += u32::from(likely == flow),
            None => second += u32::from(table.likely_in_chain(hash(flow)) == Some(flow)),
        }
    }
    assert!(first > count / 10 * 8 && first + second >= count - count / 1_000, "{first} {second}");
}

#[test]
fn emptied_chains_give_their_buckets_back() {
    let count = if cfg!(miri) { 90 } else { 20_000 };
    let mut table = filled(count, count);
    let mut order: Vec<u32> = (0..count).collect();
    let mut prng = Prng::new(3);
    for at in (1..order.len()).rev() {
        order.swap(at, prng.below(at as u32 + 1) as usize);
    }
    for flow in order {
        assert!(table.remove(hash(flow), flow));
    }
    assert_eq!((table.len(), table.chained), (0, 0));
    assert_eq!(table.insert(hash(1), 1, hash), Ok(()));
}

#[derive(Clone, Debug)]
enum Call {
    Insert,
    Remove(usize),
    Find(u32),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::Insert),
        3 => any::<usize>().prop_map(Call::Remove),
        2 => any::<u32>().prop_map(Call::Find),
    ]
}

/// Every entry is where it is looked for, and the chains are dense.
fn check_invariants(table: &FlowTable, flows: &BTreeMap<u32, u64>) {
    let mut counted = 0;
    let mut chained = 0;
    for first in 0..table.buckets {
        let mut cursor = Some(super::Cursor { place: super::Place::Main(first), position: 0 });
        let mut ended = false;
        while let Some(at) = cursor {
            match table.entry(at) {
                Some((_, index)) => {
                    assert!(!ended, "a gap in a chain");
                    assert_eq!(table.address(flows[&index]), first);
                    counted += 1;
                }
                None => ended = true,
            }
            cursor = table.after(at);
        }
        chained += table.chain_length(first);
    }
    assert_eq!((counted, chained), (table.len(), table.chained as usize));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 128 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// `bits` narrows the hash, so that chains and equal tags are common.
    #[test]
    fn behaves_like_a_map_while_it_grows(
        bits in 0..12u32,
        calls in prop::collection::vec(call(), 0..if cfg!(miri) { 60 } else { 1_500 }),
    ) {
        let narrow = |flow: u32| {
            let wide = hash(flow);
            (wide & ((1 << bits) - 1)) | wide >> 60 << 48
        };
        let mut table = FlowTable::new(700).unwrap();
        let mut model = BTreeMap::new();
        let mut fresh = 0;
        for call in calls {
            match call {
                Call::Insert => {
                    let inserted = table.insert(narrow(fresh), fresh, narrow);
                    if inserted.is_ok() {
                        model.insert(fresh, narrow(fresh));
                    } else {
                        prop_assert!(model.len() == 700 || table.spare() == 0);
                    }
                    fresh += 1;
                }
                Call::Remove(at) => {
                    let flow = model.keys().nth(at % model.len().max(1)).copied();
                    if let Some(flow) = flow {
                        prop_assert!(table.remove(narrow(flow), flow));
                        model.remove(&flow);
                    }
                }
                Call::Find(flow) => {
                    let flow = flow % (fresh + 1);
                    let found = table.find(narrow(flow), |index| index == flow);
                    prop_assert_eq!(found.is_some(), model.contains_key(&flow));
                }
            }
            prop_assert_eq!(table.len() as usize, model.len());
        }
        check_invariants(&table, &model);
        for (&flow, &hash) in &model {
            prop_assert_eq!(table.find(hash, |index| index == flow), Some(flow));
        }
    }
}
