//! FreeBSD's order of TCP options: MSS, window scale, SACK permitted, timestamps, SACK blocks.
//! Invariant: a multiple of four bytes; no-operations stand before what wants an even or a word
//! boundary, ends of list behind everything.

use wire::tcp::Options;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;

/// The options as they go on the wire.
pub(crate) fn options(options: &Options) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    if let Some(mss) = options.mss {
        bytes.extend_from_slice(&[2, 4]);
        bytes.extend_from_slice(&mss.to_be_bytes());
    }
    if let Some(shift) = options.window_scale {
        pad(&mut bytes, |length| length % 2 == 1);
        bytes.extend_from_slice(&[3, 3, shift]);
    }
    if options.sack_permitted {
        pad(&mut bytes, |length| length % 2 == 0);
        bytes.extend_from_slice(&[4, 2]);
    }
    if let Some(stamps) = options.timestamps {
        pad(&mut bytes, |length| length % 4 == 2);
        bytes.extend_from_slice(&[8, 10]);
        bytes.extend_from_slice(&stamps.value.to_be_bytes());
        bytes.extend_from_slice(&stamps.echo.to_be_bytes());
    }
    let blocks = options.sack.as_slice();
    if !blocks.is_empty() {
        pad(&mut bytes, |length| length % 4 == 2);
        let fit = (40 - bytes.len() - 2) / 8;
        let blocks = &blocks[..blocks.len().min(fit)];
        bytes.extend_from_slice(&[5, (2 + 8 * blocks.len()) as u8]);
        for block in blocks {
            bytes.extend_from_slice(&block.start.0.to_be_bytes());
            bytes.extend_from_slice(&block.end.0.to_be_bytes());
        }
    }
    while bytes.len() % 4 != 0 {
        bytes.push(END);
    }
    bytes
}

/// No-operations until the length is right.
fn pad(bytes: &mut Vec<u8>, is_right: impl Fn(usize) -> bool) {
    while !is_right(bytes.len()) {
        bytes.push(NO_OPERATION);
    }
}

#[cfg(test)]
mod tests {
    use super::options;
    use wire::tcp::{Options, Timestamps};

    #[test]
    fn a_syn_has_mss_nop_wscale_sack_timestamps() {
        let stamps = Timestamps { value: 1, echo: 2 };
        let mut offered = Options {
            mss: Some(1_460),
            window_scale: Some(6),
            sack_permitted: true,
            timestamps: Some(stamps),
            ..Options::default()
        };
        let syn = [2, 4, 5, 180, 1, 3, 3, 6, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(options(&offered), syn);
        offered.window_scale = None;
        offered.timestamps = None;
        assert_eq!(options(&offered), [2, 4, 5, 180, 4, 2, 0, 0]);
    }

    #[test]
    fn other_segments_have_two_nops_before_the_timestamps() {
        let timestamps = Some(Timestamps { value: 1, echo: 2 });
        let bytes = options(&Options { timestamps, ..Options::default() });
        assert_eq!(bytes, [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
}
