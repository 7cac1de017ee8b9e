//! bpf(2), for the few commands that are needed. Invariant: every pointer in an attribute leads to
//! memory that outlives the call, of the size that the kernel will read or write.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, Result};

/// `enum bpf_cmd`.
const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const PROG_LOAD: libc::c_int = 5;
#[cfg(test)]
const PROG_TEST_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;

/// `BPF_PROG_TYPE_XDP`, and where such a program is attached, `BPF_XDP`.
const PROGRAM_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`: the program is content to see the first part of a long frame.
const HAS_FRAGMENTS: u32 = 1 << 5;

/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOCATION: u32 = 1;

/// `enum bpf_map_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Kind {
    Hash = 1,
    /// The longest prefix that fits: `BPF_MAP_TYPE_LPM_TRIE`.
    Prefixes = 11,
    Sockets = 17,
}

/// A table that programs and processes share.
#[derive(Debug)]
pub(super) struct Map {
    descriptor: OwnedFd,
    key_bytes: usize,
    value_bytes: usize,
}

#[repr(C)]
struct CreateMap {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
}

#[repr(C)]
struct Element {
    map: RawFd,
    _unused: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    pub fn new(kind: Kind, key_bytes: usize, value_bytes: usize, entries: u32) -> Result<Self> {
        let mut attribute = CreateMap {
            kind: kind as u32,
            // Sizes of arrays in this crate.
            key_bytes: key_bytes as u32,
            value_bytes: value_bytes as u32,
            entries,
            // Such a table takes no memory before it is filled, and wants that to be asked for.
            flags: if kind == Kind::Prefixes { NO_PREALLOCATION } else { 0 },
        };
        // SAFETY: the attribute of this command, without pointers.
        let descriptor = unsafe { create(MAP_CREATE, &mut attribute)? };
        Ok(Self { descriptor, key_bytes, value_bytes })
    }

    /// Sets the value of a key.
    pub fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        assert_eq!((key.len(), value.len()), (self.key_bytes, self.value_bytes));
        let mut attribute = self.element(key, value.as_ptr());
        // SAFETY: key and value have the sizes of the map's, just checked; the kernel only reads.
        unsafe { call(MAP_UPDATE_ELEM, &mut attribute).map(drop) }
    }

    /// Removes a key.
    pub fn remove(&self, key: &[u8]) -> Result<()> {
        assert_eq!(key.len(), self.key_bytes);
        let mut attribute = self.element(key, std::ptr::null());
        // SAFETY: the key has the size of the map's, just checked; the kernel only reads it.
        unsafe { call(MAP_DELETE_ELEM, &mut attribute).map(drop) }
    }

    fn element(&self, key: &[u8], value: *const u8) -> Element {
        Element {
            map: self.descriptor.as_raw_fd(),
            _unused: 0,
            key: key.as_ptr().addr() as u64,
            value: value.addr() as u64,
            flags: 0,
        }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[repr(C)]
struct LoadProgram {
    kind: u32,
    instructions: u32,
    code: u64,
    licence: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
}

/// Why the kernel does not take a program, and what its verifier says.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: Errno,
    pub log: String,
}

/// Loads an XDP program.
pub(super) fn load(code: &[u64], name: &str) -> core::result::Result<OwnedFd, Refused> {
    load_with(code, name, &mut []).or_else(|_| {
        // Once more, for what the verifier says.
        let mut log = vec![0; 1 << 16];
        load_with(code, name, &mut log).map_err(|error| {
            let log = CStr::from_bytes_until_nul(&log).unwrap_or_default();
            Refused { error, log: log.to_string_lossy().into_owned() }
        })
    })
}

fn load_with(code: &[u64], name: &str, log: &mut [u8]) -> Result<OwnedFd> {
    let mut name_bytes = [0; 16];
    for (to, from) in name_bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    let mut attribute = LoadProgram {
        kind: PROGRAM_XDP,
        // Both sizes are of this crate's own making.
        instructions: code.len() as u32,
        code: code.as_ptr().addr() as u64,
        // Helpers that redirect are for programs under the GPL; this one is also under it then, as
        // its own licence allows.
        licence: c"GPL".as_ptr().addr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_bytes: log.len() as u32,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr().addr() as u64 },
        kernel: 0,
        flags: HAS_FRAGMENTS,
        name: name_bytes,
        interface: 0,
        attach: ATTACH_XDP,
    };
    // SAFETY: code, licence and log outlive the call and have the lengths given.
    unsafe { create(PROG_LOAD, &mut attribute) }
}

#[repr(C)]
struct CreateLink {
    program: RawFd,
    interface: u32,
    attach: u32,
    flags: u32,
}

/// Attaches a program to an interface until the link is closed; `flags` say how (`XDP_FLAGS_*`).
pub(super) fn link(program: BorrowedFd<'_>, interface: u32, flags: u32) -> Result<OwnedFd> {
    let program = program.as_raw_fd();
    let mut attribute = CreateLink { program, interface, attach: ATTACH_XDP, flags };
    // SAFETY: the attribute of this command, without pointers.
    unsafe { create(LINK_CREATE, &mut attribute) }
}

#[cfg(test)]
#[repr(C)]
struct TestRun {
    program: RawFd,
    verdict: u32,
    input_bytes: u32,
    output_bytes: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_in_bytes: u32,
    context_out_bytes: u32,
    context_in: u64,
    context_out: u64,
}

/// What a program says of a frame, without any interface.
#[cfg(test)]
pub(super) fn run(program: BorrowedFd<'_>, frame: &[u8]) -> Result<u32> {
    let mut attribute = TestRun {
        program: program.as_raw_fd(),
        verdict: 0,
        input_bytes: frame.len() as u32,
        output_bytes: 0,
        input: frame.as_ptr().addr() as u64,
        output: 0,
        repeat: 1,
        duration: 0,
        context_in_bytes: 0,
        context_out_bytes: 0,
        context_in: 0,
        context_out: 0,
    };
    // SAFETY: the frame outlives the call; nothing is written but to the attribute itself.
    unsafe { call(PROG_TEST_RUN, &mut attribute)? };
    Ok(attribute.verdict)
}

/// A command that makes something.
///
/// # Safety
/// As [`call`]; the command gives a new descriptor.
unsafe fn create<T>(command: libc::c_int, attribute: &mut T) -> Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { call(command, attribute)? };
    // SAFETY: new, so nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// # Safety
/// `attribute` is what the command takes, and pointers in it lead to memory that the command may
/// use as it does.
unsafe fn call<T>(command: libc::c_int, attribute: &mut T) -> Result<RawFd> {
    let attribute: *mut T = attribute;
    // SAFETY: the caller's promise; the kernel takes fields beyond the size as zero.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attribute, size_of::<T>()) };
    // A descriptor or zero, or -1 with errno set.
    if result < 0 { Err(last_error()) } else { Ok(result as RawFd) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
