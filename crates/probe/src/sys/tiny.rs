//! The smallest program there is: a static executable of one page, for what a fork costs when there is
//! next to nothing to copy.
//!
//! It is assembled with this crate (no C compiler, no linker of its own), put behind an ELF header at run
//! time, written into a nameless file in memory and started from there, so nothing is left on a disk.
//! Without arguments it writes a byte to its standard output and sleeps. With one, it forks once for each
//! byte on its standard input, waits for the child's byte in a pipe, and writes to its standard output
//! how many nanoseconds that took as eight bytes, or the negative error number. It ends
//! with its parent. It ends with its parent.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .rodata.crore_tiny, \"a\", @progbits",
    ".balign 16",
    "crore_probe_tiny_start:",
    "    mov eax, 39", // getpid()
    "    syscall",
    "    mov r12d, eax",
    "    mov eax, 157", // prctl(PR_SET_PDEATHSIG, SIGKILL)
    "    mov edi, 1",
    "    mov esi, 9",
    "    syscall",
    "    mov rax, [rsp]", // argc
    "    cmp rax, 2",
    "    jae 20f",
    "    mov ebx, 1", // Answer on standard output.
    "10: mov eax, 1", // write(ebx, byte, 1)
    "    mov edi, ebx",
    "    lea rsi, [rip + 90f]",
    "    mov edx, 1",
    "    syscall",
    "    cmp rax, 1", // Nobody reads: the parent died before it could be watched.
    "    jne 40f",
    "11: mov eax, 34", // pause()
    "    syscall",
    "    jmp 11b",
    "20: sub rsp, 64", // 0: pipe, 8: byte, 16 and 32: times, 48: answer
    "    mov eax, 22", // pipe(rsp)
    "    mov rdi, rsp",
    "    syscall",
    "21: xor eax, eax", // read(0, byte, 1)
    "    xor edi, edi",
    "    lea rsi, [rsp + 8]",
    "    mov edx, 1",
    "    syscall",
    "    cmp rax, 1",
    "    jne 40f",
    "    mov eax, 228", // clock_gettime(CLOCK_MONOTONIC, start)
    "    mov edi, 1",
    "    lea rsi, [rsp + 16]",
    "    syscall",
    "    mov eax, 57", // fork()
    "    syscall",
    "    test rax, rax",
    "    js 30f",
    "    jz 50f",
    "    xor eax, eax", // read(pipe, byte, 1)
    "    mov edi, [rsp]",
    "    lea rsi, [rsp + 8]",
    "    mov edx, 1",
    "    syscall",
    "    mov eax, 228", // clock_gettime(CLOCK_MONOTONIC, end)
    "    mov edi, 1",
    "    lea rsi, [rsp + 32]",
    "    syscall",
    "    mov rax, [rsp + 32]",
    "    sub rax, [rsp + 16]",
    "    imul rax, rax, 1000000000",
    "    add rax, [rsp + 40]",
    "    sub rax, [rsp + 24]",
    "30: mov [rsp + 48], rax",
    "    mov eax, 1", // write(1, answer, 8)
    "    mov edi, 1",
    "    lea rsi, [rsp + 48]",
    "    mov edx, 8",
    "    syscall",
    "    jmp 21b",
    "40: mov eax, 231", // exit_group(0)
    "    xor edi, edi",
    "    syscall",
    "50: mov eax, 157", // prctl(PR_SET_PDEATHSIG, SIGKILL)
    "    mov edi, 1",
    "    mov esi, 9",
    "    syscall",
    "    mov eax, 110", // getppid(), which is another if the parent is dead already
    "    syscall",
    "    cmp eax, r12d",
    "    jne 40b",
    "    mov ebx, [rsp + 4]", // Answer on the pipe.
    "    jmp 10b",
    "90: .byte 33",
    "crore_probe_tiny_end:",
    ".popsection",
);

#[cfg(target_arch = "x86_64")]
fn code() -> Option<&'static [u8]> {
    unsafe extern "C" {
        static crore_probe_tiny_start: u8;
        static crore_probe_tiny_end: u8;
    }
    let (start, end) = (&raw const crore_probe_tiny_start, &raw const crore_probe_tiny_end);
    // SAFETY: both labels are of the one block of constant bytes above, the second at its end.
    Some(unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) })
}

#[cfg(not(target_arch = "x86_64"))]
fn code() -> Option<&'static [u8]> {
    None
}

/// Where the program is put in its own memory.
const ADDRESS: u64 = 0x40_0000;

/// Bytes of both headers.
const HEADER_BYTES: u64 = 64 + 56;

/// The program, ready to be started.
#[derive(Debug)]
pub struct Tiny {
    path: CString,
    bytes: u64,
    _file: OwnedFd,
}

impl Tiny {
    /// Writes it.
    ///
    /// # Errors
    /// ENOEXEC on a processor that it is not written for; otherwise what the system refused.
    pub fn new() -> Result<Self, Errno> {
        let program = elf(code().ok_or(Errno::NOEXEC)?);
        let file = memfd_create("crore-probe-tiny", MemfdFlags::CLOEXEC)?;
        let mut rest = program.as_slice();
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = &rest[written..];
        }
        // Opened for reading only: what is open for writing cannot be executed.
        let written = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(written, flags, rustix::fs::Mode::empty())?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        Ok(Self { path, bytes: program.len() as u64, _file: file })
    }

    /// Its name for `execve`.
    #[must_use]
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// Its length, headers included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// An executable for x86-64 with one loaded segment: the headers and `code`, readable and executable.
fn elf(code: &[u8]) -> Vec<u8> {
    let length = HEADER_BYTES + code.len() as u64;
    let mut file = Vec::new();
    // e_ident: 64 bits, little-endian, version 1; then ET_EXEC, EM_X86_64, version 1.
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0");
    // e_entry, e_phoff, e_shoff.
    file.extend([ADDRESS + HEADER_BYTES, 64, 0].map(u64::to_le_bytes).as_flattened());
    // e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    file.extend([0_u16, 0, 64, 56, 1, 64, 0, 0].map(u16::to_le_bytes).as_flattened());
    // PT_LOAD, readable and executable.
    file.extend([1_u32, 5].map(u32::to_le_bytes).as_flattened());
    // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    file.extend([0, ADDRESS, ADDRESS, length, length, 4096].map(u64::to_le_bytes).as_flattened());
    file.extend(code);
    file
}
