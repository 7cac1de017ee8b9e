//! The shared object itself, loaded as packetdrill loads it.

use std::ffi::{CString, c_char, c_void};

/// The pointers of packetdrill's table, one more to see that nothing is written behind it.
const SLOTS: usize = 33;

#[test]
fn init_fills_thirty_three_pointers_and_nothing_more() {
    let here = std::env::current_exe().expect("the test's path");
    let path = here.with_file_name("libcrore_packetdrill.so");
    let path = CString::new(path.to_str().expect("a path in UTF-8")).expect("no zero in it");
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE | libc::RTLD_DEEPBIND;
    // SAFETY: a path with its zero; loading the library runs no code of its own.
    let library = unsafe { libc::dlopen(path.as_ptr(), flags) };
    assert!(!library.is_null(), "{path:?} can be loaded");
    // SAFETY: the library stays loaded.
    let symbol = unsafe { libc::dlsym(library, c"packetdrill_interface_init".as_ptr()) };
    assert!(!symbol.is_null(), "it has packetdrill's symbol");
    // SAFETY: as packetdrill declares it.
    let init: unsafe extern "C" fn(*const c_char, *mut c_void) =
        unsafe { std::mem::transmute(symbol) };
    let mut table = [usize::MAX; SLOTS + 1];
    // SAFETY: a string with its zero, and room for the table.
    unsafe { init(c"freebsd".as_ptr(), table.as_mut_ptr().cast()) };
    assert!(table[..SLOTS].iter().all(|slot| *slot != usize::MAX && *slot != 0));
    assert_eq!(table[SLOTS], usize::MAX);
    // SAFETY: the second slot is `free`, and takes the first.
    let free: unsafe extern "C" fn(usize) = unsafe { std::mem::transmute(table[1]) };
    // SAFETY: the last call with this instance.
    unsafe { free(table[0]) };
}
