//! Messages of netlink(7) and the attributes in them: how they are made up, not what they say.
//! Invariant: nothing is read beyond the end of what is given, and what is cut short is left out.

/// The kind of the message that ends an answer of several.
pub const DONE: u16 = 3;
/// The kind of a message that says how a request went.
pub const ERROR: u16 = 2;
/// `NLM_F_REQUEST`: every request has it.
pub const REQUEST: u16 = 1;
/// `NLM_F_DUMP`: a request for everything of a kind.
pub const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: the table has changed while it was told, so that some of it may be missing.
const INTERRUPTED: u16 = 0x10;
/// `NLA_F_NESTED`: an attribute's value is made up of attributes.
pub const NESTED: u16 = 0x8000;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The upper two bits of an attribute's kind say how the value is made up.
const KIND: u16 = 0x3fff;

/// A message to the kernel. Bodies are a few hundred bytes at most.
#[must_use]
pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// The messages in what one call received: kind and body.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    whole(bytes).map(|(kind, _, body)| (kind, body))
}

/// Whether a part of an answer says that the table has changed meanwhile.
pub(crate) fn is_interrupted(bytes: &[u8]) -> bool {
    whole(bytes).any(|(_, flags, _)| flags & INTERRUPTED != 0)
}

/// Kind, flags and body of each message.
fn whole(mut bytes: &[u8]) -> impl Iterator<Item = (u16, u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let (kind, flags) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, flags, body))
    })
}

/// Adds an attribute, and what fills it up to a whole number of words.
pub fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // A few hundred bytes at most.
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Attributes that follow each other: kind, without the bits that say how it is encoded, and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & KIND;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{attributes, is_interrupted, message, messages, put};

    #[test]
    fn what_is_written_is_read_back_and_nothing_beyond_its_end() {
        let mut body = Vec::new();
        put(&mut body, 1, &7_u32.to_ne_bytes());
        put(&mut body, 2, b"eth0\0");
        let read: Vec<_> = attributes(&body).collect();
        assert_eq!(read, [(1, &7_u32.to_ne_bytes()[..]), (2, b"eth0\0")]);
        let whole = message(9, 0, &body);
        assert_eq!(messages(&whole).collect::<Vec<_>>(), [(9, &body[..])]);
        for end in 0..whole.len() {
            assert_eq!(messages(&whole[..end]).count(), 0);
        }
        for end in 0..body.len() {
            assert!(attributes(&body[..end]).count() <= 2);
        }
        assert!(!is_interrupted(&whole));
        assert!(is_interrupted(&[whole, message(3, 0x12, &[])].concat()));
        assert_eq!(messages(&[0; 20]).count() + messages(&[255; 20]).count(), 0);
    }
}
