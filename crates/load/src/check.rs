//! What an answer's body has to be: [`Check`], and one body being held against it: [`Checking`].
//! Invariant: a body is wrong as soon as one byte of it is; nothing of it is kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What every body of a status below 400 has to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Check {
    /// So many bytes.
    Length(u64),
    /// Bytes with this SHA-256.
    Sha256([u8; 32]),
    /// These bytes.
    Content(Arc<[u8]>),
}

/// A body being checked.
#[derive(Clone, Debug)]
pub enum Checking {
    /// Bytes so far, and how many there have to be.
    Length(u64, u64),
    /// The hash so far, and the one it has to become.
    Sha256(Box<Sha256>, [u8; 32]),
    /// Bytes that were right so far; `None` when one was not.
    Content(Option<usize>, Arc<[u8]>),
}

impl Check {
    /// A check of a body that begins.
    #[must_use]
    pub fn begin(&self) -> Checking {
        match self {
            Self::Length(length) => Checking::Length(0, *length),
            Self::Sha256(hash) => Checking::Sha256(Box::default(), *hash),
            Self::Content(content) => Checking::Content(Some(0), Arc::clone(content)),
        }
    }
}

impl Checking {
    /// Takes in the next bytes of the body.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Length(length, _) => *length += bytes.len() as u64,
            Self::Sha256(hash, _) => hash.update(bytes),
            Self::Content(place, content) => {
                *place = place.and_then(|start| {
                    let end = start + bytes.len();
                    (content.get(start..end) == Some(bytes)).then_some(end)
                });
            }
        }
    }

    /// Whether the body, which is over, is right. The check can begin anew then.
    pub(crate) fn finish(&mut self) -> bool {
        match self {
            Self::Length(length, wanted) => std::mem::take(length) == *wanted,
            Self::Sha256(hash, wanted) => hash.finalize_reset().as_slice() == wanted.as_slice(),
            Self::Content(place, content) => place.replace(0) == Some(content.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Check;

    #[test]
    fn a_body_is_right_however_it_is_cut_up_and_wrong_with_one_byte() {
        let hash = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hash[2 * index..2 * index + 2], 16).unwrap();
        }
        let checks =
            [Check::Sha256(bytes), Check::Content(b"hello world"[..].into()), Check::Length(11)];
        for check in checks {
            let mut checking = check.begin();
            for (body, right) in [
                ("hello world", true),
                ("hello worlds", false),
                ("hello", false),
                ("hello world", true),
            ] {
                for piece in body.as_bytes().chunks(3) {
                    checking.add(piece);
                }
                assert_eq!(checking.finish(), right, "{check:?} {body}");
            }
        }
        let mut content = Check::Content(b"hello world"[..].into()).begin();
        content.add(b"hellO world");
        assert!(!content.finish());
    }
}
