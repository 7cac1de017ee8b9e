//! Bytes up to a sink and down from a source, made and compared while they pass, so that a gigabyte
//! takes no memory. Invariant: what is compared is every byte and its place.

use std::io::{Read, Write};
use std::net::TcpStream;

use rig::Outcome;
use rig::tree::word;

use super::services::digest;

/// Bytes that are written or read at a time at most.
const PART: usize = 256 << 10;

/// Sends so many bytes to a sink, a multiple of eight, and compares the digest of what has arrived.
pub fn up(stream: &mut TcpStream, length: usize) -> Outcome {
    stream.write_all(&(length as u64).to_le_bytes())?;
    let (mut part, mut made, mut expected) = (vec![0; PART], 0, 0);
    while made < length {
        let part = &mut part[..PART.min(length - made)];
        for (index, place) in (made as u64 / 8..).zip(part.chunks_exact_mut(8)) {
            let word = word(index);
            place.copy_from_slice(&word.to_le_bytes());
            expected = digest(expected, word);
        }
        stream.write_all(part)?;
        made += part.len();
    }
    let mut arrived = [0; 8];
    stream.read_exact(&mut arrived)?;
    assert_eq!(u64::from_le_bytes(arrived), expected, "what went up is not what arrived");
    Ok(())
}

/// Has so many bytes sent by a source, a multiple of eight, and compares them.
pub fn down(stream: &mut TcpStream, length: usize) -> Outcome {
    stream.write_all(&(length as u64).to_le_bytes())?;
    arrives(stream, length)
}

/// Reads so many bytes of a pattern, a multiple of eight, and compares them.
pub fn arrives(stream: &mut impl Read, length: usize) -> Outcome {
    let (mut part, mut index, mut held) = (vec![0; PART], 0, 0);
    while index < length / 8 {
        let most = PART.min(length - index * 8);
        match stream.read(&mut part[held..most])? {
            0 => return Err(format!("ended after {} bytes of {length}", index * 8 + held).into()),
            count => held += count,
        }
        let whole = held / 8 * 8;
        for place in part[..whole].chunks_exact(8) {
            assert_eq!(place, word(index as u64).to_le_bytes(), "byte {}", index * 8);
            index += 1;
        }
        part.copy_within(whole..held, 0);
        held -= whole;
    }
    Ok(())
}
