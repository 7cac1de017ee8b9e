#![no_main]
//! A whole connection: whatever arrives, however it is cut, whatever else happens, the answers are
//! well-formed, no more than the requests, and nothing is left behind.

use http::drive::Script;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut session = Script::new(bytes).play();
    if let Err(what) = session.finish() {
        panic!("{what}\nsent: {}", session.text());
    }
});
