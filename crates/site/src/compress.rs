//! Content codings made here: brotli (RFC 7932), gzip (RFC 1952) and zstd (RFC 8878).
//!
//! Invariant: the same bytes at the same level always give the same result, so that an entity tag
//! made from the original and the coding names one representation.

use std::io::Write;

use flate2::write::GzEncoder;
use structured_zstd::encoding::{CompressionLevel, compress_slice_to_vec};

use crate::coding::Coding;

/// How hard each coding tries; `None` where it is not used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Levels {
    pub(crate) brotli: Option<u8>,
    pub(crate) zstd: Option<u8>,
    pub(crate) gzip: Option<u8>,
}

/// Brotli's window: 2^22 bytes, the largest that every client knows.
const BROTLI_WINDOW: u32 = 22;

impl Levels {
    /// Whether this coding is used.
    pub(crate) const fn has(&self, coding: Coding) -> bool {
        match coding {
            Coding::Identity => true,
            Coding::Brotli => self.brotli.is_some(),
            Coding::Zstd => self.zstd.is_some(),
            Coding::Gzip => self.gzip.is_some(),
        }
    }

    /// `bytes` in this coding; `None` when that is not at least a twentieth shorter. Takes time.
    pub(crate) fn compress(&self, coding: Coding, bytes: &[u8]) -> Option<Vec<u8>> {
        let compressed = match coding {
            Coding::Identity => return None,
            Coding::Brotli => brotli(bytes, self.brotli?)?,
            Coding::Gzip => gzip(bytes, self.gzip?)?,
            Coding::Zstd => {
                compress_slice_to_vec(bytes, CompressionLevel::from_level(i32::from(self.zstd?)))
            }
        };
        (compressed.len() < bytes.len() - bytes.len() / 20).then_some(compressed)
    }
}

fn brotli(bytes: &[u8], level: u8) -> Option<Vec<u8>> {
    let quality = u32::from(level);
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 64 << 10, quality, BROTLI_WINDOW);
    writer.write_all(bytes).ok()?;
    Some(writer.into_inner())
}

fn gzip(bytes: &[u8], level: u8) -> Option<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), flate2::Compression::new(u32::from(level)));
    writer.write_all(bytes).ok()?;
    writer.finish().ok()
}

/// Whether files of this type get shorter by compression.
pub(crate) fn is_compressible(content_type: &str) -> bool {
    const TYPES: [&str; 16] = [
        "application/javascript",
        "application/json",
        "application/ld+json",
        "application/manifest+json",
        "application/rtf",
        "application/toml",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-javascript",
        "application/xhtml+xml",
        "application/xml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/svg+xml",
        "image/x-icon",
    ];
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || TYPES.contains(&essence)
}
