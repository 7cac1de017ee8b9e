//! A port that takes several segments as one, and hands up as many as one: fewer frames, and the same
//! bytes, whatever becomes of them.

use core::time::Duration;
use std::vec::Vec;

use port::{Caps, Faults};

use super::pair::{CLIENT, Pair, SERVER, config};
use super::{BAD_LINK, BODY, Files, Sum};
use crate::Config;

/// The port does not cut, as where both ends are on one machine, and so sees to checksums, too.
const UNCUT: Caps =
    Caps { tso: Some(65_300), lro: Some(65_300), checksums_verified: true, ..Caps::ETHERNET };
const NO_FAULTS: Faults = Faults { delay: Duration::from_millis(1), ..NONE };
const NONE: Faults = Faults {
    loss: 0,
    duplication: 0,
    corruption: 0,
    reordering: 0,
    delay: Duration::ZERO,
    late: Duration::ZERO,
};

fn pair<H: app::Handler>(
    server: H,
    faults: Faults,
    change: impl FnOnce(&mut Config, &mut Config),
) -> Pair<H> {
    let (mut near, mut far) = (config(CLIENT, 2), config(SERVER, 1));
    change(&mut near, &mut far);
    Pair::build(server, (faults, 5), UNCUT, [&near, &far])
}

fn noise(length: usize) -> Vec<u8> {
    let mut prng = base::Prng::new(5);
    (0..length).map(|_| prng.next_u32() as u8).collect()
}

fn upload(pair: &mut Pair<Sum>, bytes: Vec<u8>) {
    let length = bytes.len();
    let sum = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
    let expected = bytes.iter().fold(0, sum);
    let client = pair.connect(1);
    pair.client.send(client, bytes);
    pair.run(Duration::from_secs(300));
    assert_eq!(pair.server.bytes, length);
    assert_eq!(pair.client.received(client), expected.to_be_bytes());
    pair.check_nothing_leaked();
}

#[test]
fn a_large_answer_takes_few_frames() {
    let mut pair = pair(Files, NO_FAULTS, |_, _| {});
    let client = pair.connect(1);
    for round in 1..=3 {
        let before = pair.far.port().inner().sent();
        pair.client.send(client, b"one\n".to_vec());
        pair.run(Duration::from_secs(1));
        assert_eq!(pair.client.received(client).len(), round * 250_005);
        let frames = pair.far.port().inner().sent() - before;
        // 173 segments.
        assert!(frames < 40, "{frames} frames");
    }
    pair.check_nothing_leaked();
}

#[test]
fn a_download_arrives_whole_though_long_frames_are_lost() {
    let mut pair = pair(Files, Faults { corruption: 0, ..BAD_LINK }, |_, _| {});
    let client = pair.connect(1);
    pair.client.send(client, b"one\ntwo\nthree\n".to_vec());
    pair.run(Duration::from_secs(300));
    let answer = [b"head ", &BODY[..250_000]].concat();
    assert!(pair.client.received(client) == answer.repeat(3));
    pair.check_nothing_leaked();
}

#[test]
fn an_upload_arrives_whole_though_long_frames_are_lost() {
    let faults = Faults { corruption: 0, ..BAD_LINK };
    let mut pair = pair(Sum::default(), faults, |_, _| {});
    upload(&mut pair, noise(1_000_000));
}

/// What comes as one may need more buffers than there are; the first of it is taken all the same.
#[test]
fn long_frames_are_taken_in_part_where_buffers_are_few() {
    for buffers in [4, 6, 8, 16] {
        let few = |near: &mut Config, far: &mut Config| {
            near.tcp.receiving.window = 60_000;
            far.buffers = buffers;
        };
        let mut pair = pair(Sum::default(), NO_FAULTS, few);
        upload(&mut pair, noise(1_000_000));
    }
}
