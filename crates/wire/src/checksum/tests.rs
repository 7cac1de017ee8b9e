//! The sum against the plainest way to compute it, however the bytes are cut.

extern crate std;

use super::{Sum, update, update_wide};
use proptest::prelude::*;
use std::vec::Vec;

/// RFC 1071 section 4.1, as plainly as it can be written.
fn by_the_book(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn rfc_1071_section_3_example() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::default().bytes(&bytes).finish(), !0xddf2);
}

#[test]
fn a_header_from_a_real_capture_verifies() {
    let header = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];
    assert!(Sum::default().bytes(&header).verifies());
    let mut broken = header;
    broken[3] ^= 1;
    assert!(!Sum::default().bytes(&broken).verifies());
}

#[test]
fn all_ones_and_all_zeros_of_every_short_length() {
    for length in 0..300 {
        for byte in [0x00, 0xff] {
            let bytes: Vec<u8> = std::iter::repeat_n(byte, length).collect();
            assert_eq!(Sum::default().bytes(&bytes).finish(), by_the_book(&bytes), "{length}");
        }
    }
}

proptest! {
    #[test]
    fn every_length_agrees_with_the_book(bytes in prop::collection::vec(any::<u8>(), 0..2100)) {
        prop_assert_eq!(Sum::default().bytes(&bytes).finish(), by_the_book(&bytes));
    }

    #[test]
    fn slices_and_fields_add_up(head in prop::collection::vec(any::<u8>(), 0..50),
                                tail in prop::collection::vec(any::<u8>(), 0..150),
                                narrow: u16, wide: u32) {
        let head = &head[..head.len() & !1];
        let mut whole = head.to_vec();
        whole.extend(narrow.to_be_bytes());
        whole.extend(wide.to_be_bytes());
        whole.extend(&tail);
        let sum = Sum::default().bytes(head).field(narrow).wide_field(wide).bytes(&tail);
        prop_assert_eq!(sum.finish(), by_the_book(&whole));
    }

    #[test]
    fn an_update_equals_a_fresh_sum(mut words in prop::collection::vec(1u8.., 8..64),
                                    narrow: u16, wide: u32) {
        words.truncate(words.len() & !1);
        let before = Sum::default().bytes(&words).finish();
        let old = u16::from_be_bytes([words[2], words[3]]);
        words[2..4].copy_from_slice(&narrow.to_be_bytes());
        let after = update(before, old, narrow);
        prop_assert_eq!(after, Sum::default().bytes(&words).finish());
        let old = u32::from_be_bytes([words[4], words[5], words[6], words[7]]);
        words[4..8].copy_from_slice(&wide.to_be_bytes());
        prop_assert_eq!(update_wide(after, old, wide), Sum::default().bytes(&words).finish());
    }
}
