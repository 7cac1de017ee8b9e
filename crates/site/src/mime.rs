//! What kind of file a name stands for: [`of`].

/// Types that are newer than the library's table, or that it gives in a form of old.
const NEWER: [(&str, &str); 7] = [
    // RFC 9239 section 6 makes text/javascript the one name for it.
    ("cjs", "text/javascript"),
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("jxl", "image/jxl"),
    ("webmanifest", "application/manifest+json"),
    ("gz", "application/gzip"),
    ("zst", "application/zstd"),
];

/// The media type of a file by its extension, with `charset=utf-8` for text.
pub(crate) fn of(path: &[u8]) -> String {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let guess = mime_guess::from_path(&*name);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let newer = extension.and_then(|extension| {
        NEWER.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension))
    });
    let media = match newer {
        Some((_, media)) => media,
        None => guess.first_raw().unwrap_or("application/octet-stream"),
    };
    if media.starts_with("text/") { format!("{media}; charset=utf-8") } else { media.to_owned() }
}

#[cfg(test)]
mod tests;
