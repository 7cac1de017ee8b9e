//! Has the kernel fill a TCP checksum in: the request for it in a frame's metadata
//! (`struct xsk_tx_metadata`, Documentation/networking/xsk-tx-metadata.rst). Invariant: a frame that
//! the request is made for holds the sum of the pseudo-header in its checksum field.

/// `XDP_TXMD_FLAGS_CHECKSUM`.
const FILL: u64 = 1 << 1;
const ETHERNET: usize = 14;
const PROTOCOL_TCP: u8 = 6;
/// Where a TCP header has its checksum.
const CHECKSUM: usize = 16;

/// Writes the request into a frame's `metadata` and the sum of the pseudo-header into the frame,
/// of which `total` bytes are sent and the headers are here. False when it has no TCP checksum, so
/// that there is nothing to ask for.
pub(crate) fn request(metadata: &mut [u8], frame: &mut [u8], total: usize) -> bool {
    let Some((start, sum)) = pseudo_header(frame, total) else { return false };
    let Some(field) = frame.get_mut(start + CHECKSUM..start + CHECKSUM + 2) else { return false };
    field.copy_from_slice(&sum.to_be_bytes());
    let Some((flags, rest)) = metadata.split_first_chunk_mut::<8>() else { return false };
    *flags = FILL.to_ne_bytes();
    let Some((from, rest)) = rest.split_first_chunk_mut::<2>() else { return false };
    // Headers are shorter than 2^16.
    *from = (start as u16).to_ne_bytes();
    let Some((offset, _)) = rest.split_first_chunk_mut::<2>() else { return false };
    *offset = (CHECKSUM as u16).to_ne_bytes();
    true
}

/// Where the TCP header starts, and the sum of the pseudo-header (RFC 9293 section 3.1), not
/// inverted. Frames here are of our own making: without tags and extension headers.
fn pseudo_header(frame: &[u8], total: usize) -> Option<(usize, u16)> {
    let kind = frame.get(12..14)?;
    let (start, addresses, protocol) = match kind {
        [0x08, 0x00] => {
            let start = ETHERNET + usize::from(frame.get(ETHERNET)? & 0x0f) * 4;
            (start, frame.get(ETHERNET + 12..ETHERNET + 20)?, *frame.get(ETHERNET + 9)?)
        }
        [0x86, 0xdd] => {
            let addresses = frame.get(ETHERNET + 8..ETHERNET + 40)?;
            (ETHERNET + 40, addresses, *frame.get(ETHERNET + 6)?)
        }
        _ => return None,
    };
    if protocol != PROTOCOL_TCP {
        return None;
    }
    let length = u32::try_from(total.checked_sub(start)?).ok()?;
    let words =
        addresses.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let sum = words.sum::<u32>() + u32::from(protocol) + (length >> 16) + (length & 0xffff);
    let sum = (sum & 0xffff) + (sum >> 16);
    // Twice is enough: at most 19 words were added.
    Some((start, ((sum & 0xffff) + (sum >> 16)) as u16))
}

#[cfg(test)]
mod tests {
    use super::{FILL, request};

    /// The pseudo-header of 192.0.2.1 to 198.51.100.7 with 24 bytes of TCP, summed by hand.
    #[test]
    fn the_sum_of_the_pseudo_header_is_put_where_the_checksum_goes() {
        let mut frame = [0; 14 + 20 + 24];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[14] = 0x45;
        frame[14 + 9] = 6;
        frame[14 + 12..14 + 20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
        let mut metadata = [0xff; 24];
        assert!(request(&mut metadata, &mut frame, 58));
        // c000 + 0201 + c633 + 6407 + 6 + 18 = 1_ec59, folded.
        let sum = 0xc000_u32 + 0x0201 + 0xc633 + 0x6407 + 6 + 24;
        let folded = (sum & 0xffff) + (sum >> 16);
        assert_eq!(frame[34 + 16..34 + 18], (folded as u16).to_be_bytes());
        assert_eq!(metadata[..8], FILL.to_ne_bytes());
        assert_eq!(metadata[8..10], 34_u16.to_ne_bytes());
        assert_eq!(metadata[10..12], 16_u16.to_ne_bytes());
    }

    #[test]
    fn frames_without_tcp_and_short_ones_are_left_alone() {
        let mut metadata = [0; 24];
        for length in 0..60 {
            let mut frame = vec![0; length];
            assert!(!request(&mut metadata, &mut frame, length));
            if length > 14 {
                frame[12..14].copy_from_slice(&[0x08, 0x00]);
                frame[14] = 0x4f;
                assert!(!request(&mut metadata, &mut frame, length));
            }
        }
        assert_eq!(metadata, [0; 24]);
    }
}
