//! A request's path, made safe: decoded once, resolved, and written back in one canonical form.
//!
//! Invariant: a [`Target`] names something at or below the root by construction: its segments are
//! never empty, never `.` or `..`, and hold no `/`, `\` or NUL. The kernel is asked to hold to the
//! same when the path is opened; neither relies on the other.
//! RFC 3986 sections 2 and 5.2.4, RFC 8615 (`.well-known`).

/// What a request's path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// Decoded segments joined by `/`, without one at either end; empty for the root itself.
    bytes: Vec<u8>,
    /// Whether the path ended like a folder's does.
    folder: bool,
}

/// Why a path names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PathError {
    /// It is not a path: a broken escape, a NUL, or dots that lead above the root. 400.
    Malformed,
    /// No file can have that name, or it is hidden. 404.
    Hidden,
}

impl Target {
    /// Reads a path as it was sent, still percent-encoded.
    pub(crate) fn parse(raw: &str) -> Result<Self, PathError> {
        let rest = raw.strip_prefix('/').ok_or(PathError::Malformed)?;
        let mut bytes = Vec::with_capacity(rest.len());
        let mut folder = true;
        for segment in rest.split('/') {
            let start = bytes.len();
            if start > 0 {
                bytes.push(b'/');
            }
            let name = bytes.len();
            decode(segment, &mut bytes)?;
            folder = matches!(&bytes[name..], b"" | b"." | b"..");
            match &bytes[name..] {
                b"" | b"." => bytes.truncate(start),
                b".." => {
                    bytes.truncate(start);
                    leave(&mut bytes)?;
                }
                _ => {}
            }
        }
        let target = Self { bytes, folder };
        if target.hidden() { Err(PathError::Hidden) } else { Ok(target) }
    }

    /// The path relative to the root, for the file system; empty for the root itself.
    pub(crate) fn relative(&self) -> &[u8] {
        &self.bytes
    }

    /// The decoded path from the root on, as rules are matched against it.
    pub(crate) fn absolute(&self) -> Vec<u8> {
        let slash: &[u8] = if self.folder && !self.bytes.is_empty() { b"/" } else { b"" };
        [b"/", &*self.bytes, slash].concat()
    }

    /// Whether the path ended like a folder's does.
    pub(crate) const fn is_folder(&self) -> bool {
        self.folder
    }

    /// The path in canonical form: absolute, percent-encoded where it has to be and nowhere else.
    pub(crate) fn canonical(&self) -> String {
        let mut path = String::with_capacity(self.bytes.len() + 2);
        path.push('/');
        encode_path(&self.bytes, &mut path);
        if self.folder && !self.bytes.is_empty() {
            path.push('/');
        }
        path
    }

    /// Whether the last segment has an extension: `app.js` has, `users` has not.
    pub(crate) fn has_extension(&self) -> bool {
        let name = self.bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        !self.folder && name.contains(&b'.')
    }

    /// Whether a segment starts with a dot. `.well-known` at the top is for everyone to see.
    fn hidden(&self) -> bool {
        let mut segments = self.bytes.split(|&byte| byte == b'/');
        let first = segments.next().unwrap_or_default();
        let hides = |segment: &[u8]| segment.starts_with(b".");
        (hides(first) && first != b".well-known") || segments.any(hides)
    }
}

/// Takes the last segment off; there must be one.
fn leave(bytes: &mut Vec<u8>) -> Result<(), PathError> {
    if bytes.is_empty() {
        return Err(PathError::Malformed);
    }
    let parent = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    bytes.truncate(parent);
    Ok(())
}

/// Decodes one segment, once.
fn decode(segment: &str, into: &mut Vec<u8>) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = if byte == b'%' {
            let digits = bytes.next().and_then(hex).zip(bytes.next().and_then(hex));
            let (high, low) = digits.ok_or(PathError::Malformed)?;
            high << 4 | low
        } else {
            byte
        };
        match decoded {
            0 => return Err(PathError::Malformed),
            // A slash that was escaped is no separator, and no file name holds one. A backslash
            // is a separator to some clients: what one side takes for a name the other must not
            // take for a path.
            b'/' | b'\\' => return Err(PathError::Hidden),
            _ => into.push(decoded),
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent-encodes a path's bytes: everything but the characters that RFC 3986 section 3.3 lets
/// stand in a path.
pub(crate) fn encode_path(bytes: &[u8], into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
        if plain {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests;
