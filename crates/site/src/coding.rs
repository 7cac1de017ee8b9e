//! The content codings that files are kept and made in.

pub(crate) use http::Coding;

/// All that change the content, in the order in which the server prefers them where a client
/// likes them equally well: the shortest result first.
pub(crate) const CODED: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// The same and the content as it is.
pub(crate) const PREFERENCE: [Coding; 4] =
    [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Identity];

/// What a precompressed file's name ends in.
pub(crate) const fn extension(coding: Coding) -> &'static str {
    match coding {
        Coding::Identity => "",
        Coding::Brotli => ".br",
        Coding::Zstd => ".zst",
        Coding::Gzip => ".gz",
    }
}
