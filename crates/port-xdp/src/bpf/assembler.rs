//! Puts BPF programs together, RFC 9669: instructions, and jumps to labels. Invariant: every label
//! is placed once, after every jump to it; the verifier wants no loops, and there are none.

use std::os::fd::{AsRawFd, BorrowedFd};

/// A register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Register {
    /// What a call returned, and what the program returns.
    R0,
    R1,
    R2,
    R3,
    /// The first register that calls leave alone.
    R6 = 6,
    R7,
    R8,
    R9,
    /// The end of the stack frame.
    R10,
}

/// Bytes that are loaded or stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Size {
    U32 = 0x00,
    U16 = 0x08,
    U8 = 0x10,
    U64 = 0x18,
}

/// What a jump asks of a register, compared as unsigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum When {
    Equal = 0x10,
    Greater = 0x20,
    NotEqual = 0x50,
    Less = 0xa0,
}

/// What is done to a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Operation {
    Add = 0x00,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Set = 0xb0,
}

/// The right side of an operation or comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operand {
    Register(Register),
    Constant(i32),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Self {
        Self::Register(register)
    }
}

impl From<i32> for Operand {
    fn from(constant: i32) -> Self {
        Self::Constant(constant)
    }
}

/// A place to jump to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Label(usize);

const LOAD_STORE_MEMORY: u8 = 0x60;
const CLASS_LOAD_CONSTANT: u8 = 0x18;
const CLASS_LOAD: u8 = 0x01;
const CLASS_STORE_CONSTANT: u8 = 0x02;
const CLASS_STORE: u8 = 0x03;
const CLASS_JUMP: u8 = 0x05;
const CLASS_OPERATION_64: u8 = 0x07;
const FROM_REGISTER: u8 = 0x08;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const TO_BIG_ENDIAN: u8 = 0xdc;
/// Says that the constant loaded stands for a map's descriptor.
const MAP_DESCRIPTOR: u8 = 1;

/// A program under way. An instruction is eight bytes: code, registers, offset, constant.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<u64>,
    /// Where each label's jumps are, to be filled in when the label is placed.
    jumps: Vec<Vec<usize>>,
}

impl Assembler {
    /// The program.
    pub fn finish(self) -> Vec<u64> {
        self.code
    }

    /// A label to be placed later.
    pub fn label(&mut self) -> Label {
        self.jumps.push(Vec::new());
        Label(self.jumps.len() - 1)
    }

    /// Places a label here.
    pub fn place(&mut self, label: Label) {
        for at in std::mem::take(&mut self.jumps[label.0]) {
            // A program of more than 32,767 instructions is not written by hand.
            let distance = (self.code.len() - at - 1) as u64;
            self.code[at] |= distance << 16;
        }
    }

    pub fn operate(&mut self, what: Operation, on: Register, by: impl Into<Operand>) {
        self.with_operand(CLASS_OPERATION_64 | what as u8, on, by.into());
    }

    pub fn set(&mut self, register: Register, to: impl Into<Operand>) {
        self.operate(Operation::Set, register, to);
    }

    /// Turns 16 bits from network order into the machine's.
    pub fn network_u16(&mut self, register: Register) {
        self.push(TO_BIG_ENDIAN, register as u8, 0, 16);
    }

    pub fn load(&mut self, size: Size, into: Register, from: Register, offset: i16) {
        self.push(CLASS_LOAD | LOAD_STORE_MEMORY | size as u8, registers(into, from), offset, 0);
    }

    pub fn store(&mut self, size: Size, at: Register, offset: i16, from: Register) {
        self.push(CLASS_STORE | LOAD_STORE_MEMORY | size as u8, registers(at, from), offset, 0);
    }

    pub fn store_constant(&mut self, size: Size, at: Register, offset: i16, value: i32) {
        self.push(CLASS_STORE_CONSTANT | LOAD_STORE_MEMORY | size as u8, at as u8, offset, value);
    }

    pub fn load_map(&mut self, into: Register, map: BorrowedFd<'_>) {
        let registers = into as u8 | MAP_DESCRIPTOR << 4;
        self.push(CLASS_LOAD_CONSTANT, registers, 0, map.as_raw_fd());
        // The upper half of the constant.
        self.code.push(0);
    }

    pub fn jump(&mut self, to: Label) {
        self.jumps[to.0].push(self.code.len());
        self.push(CLASS_JUMP, 0, 0, 0);
    }

    pub fn jump_if(&mut self, register: Register, when: When, than: impl Into<Operand>, to: Label) {
        self.jumps[to.0].push(self.code.len());
        self.with_operand(CLASS_JUMP | when as u8, register, than.into());
    }

    pub fn call(&mut self, helper: i32) {
        self.push(CALL, 0, 0, helper);
    }

    pub fn exit(&mut self) {
        self.push(EXIT, 0, 0, 0);
    }

    fn with_operand(&mut self, code: u8, on: Register, by: Operand) {
        match by {
            Operand::Register(by) => self.push(code | FROM_REGISTER, registers(on, by), 0, 0),
            Operand::Constant(by) => self.push(code, on as u8, 0, by),
        }
    }

    fn push(&mut self, code: u8, registers: u8, offset: i16, constant: i32) {
        let [low, high] = offset.to_ne_bytes();
        let [a, b, c, d] = constant.to_ne_bytes();
        // Where the destination is in the byte of the registers depends on the machine's order.
        let registers =
            if cfg!(target_endian = "big") { registers.rotate_left(4) } else { registers };
        self.code.push(u64::from_ne_bytes([code, registers, low, high, a, b, c, d]));
    }
}

const fn registers(destination: Register, source: Register) -> u8 {
    destination as u8 | (source as u8) << 4
}
