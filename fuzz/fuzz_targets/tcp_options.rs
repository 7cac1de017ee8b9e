//! Any bytes as TCP options: what was read can be written, in at most 40 bytes, and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::tcp::{HEADER_LENGTH, HEADER_LENGTH_MAX, Options, Repr, View};

fuzz_target!(|bytes: &[u8]| {
    let options = Options::parse(&bytes[..bytes.len().min(HEADER_LENGTH_MAX - HEADER_LENGTH)]);
    let repr = Repr { options, ..Repr::default() };
    let mut out = [0xff; HEADER_LENGTH_MAX];
    let length = repr.emit(&mut out).unwrap();
    let mut read = View::new(&out[..length]).unwrap().repr().options;
    let mut wanted = options;
    // Blocks beyond the room that the other options leave are not written.
    wanted.sack.truncate(options.sack_room());
    read.sack.truncate(options.sack_room());
    assert_eq!(read, wanted);
});
