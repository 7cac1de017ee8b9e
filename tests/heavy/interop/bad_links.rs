//! Every byte right over links that lose, repeat, corrupt and reorder what they carry, in both
//! directions.

use std::time::Duration;

use rig::Outcome;
use rig::netns::{INTERFACE, Network};
use rig::wire::Faults;

use super::{Link, Stage};

/// Bytes each way over each family, in hundredths.
const HUNDREDTH: usize = 20 << 10;

/// Of a million frames.
const PERCENT: u32 = 10_000;

const LINKS: [Link; 2] = [Link::Xdp, Link::Tap];

/// A fifth of the bytes where a fifth of them gets through at once.
const fn length(percent: u32) -> usize {
    HUNDREDTH * (100 / percent as usize)
}

#[test]
#[ignore = "needs root, ethtool: cargo xtask heavy"]
fn loss_repetition_corruption_and_disorder_harm_no_byte() -> Outcome {
    for link in LINKS {
        for percent in [1, 5] {
            let of_each = percent * PERCENT;
            let faults = Faults {
                loss: of_each,
                duplication: of_each,
                corruption: of_each,
                reordering: of_each,
                delay: Duration::from_micros(200),
                late: Duration::from_millis(2),
            };
            let network = Network::harmed([faults; 2], 1500, 1)?;
            let stage = Stage::on(network, link, 1)?;
            for host in link.addresses() {
                let done = stage.up_and_down(host, length(percent));
                done.map_err(|error| format!("{link:?}, {percent} %, {host}: {error}"))?;
            }
            // It was as bad as it was meant to be, for both ends.
            assert!(stage.counted("TcpInCsumErrors")? > 0, "{link:?}, {percent} %");
            let vitals = stage.vitals()?;
            assert!(vitals.retransmitted.get() > 0, "{link:?}, {percent} %");
            stage.comes_to_rest()?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root, nft, ethtool: cargo xtask heavy"]
fn loss_by_a_packet_filter_harms_no_byte() -> Outcome {
    for link in LINKS {
        let stage = Stage::new(link)?;
        stage.network.client(&format!("ethtool -K {INTERFACE} tso off gso off"))?;
        for percent in [1, 5] {
            let some = format!("meta l4proto tcp numgen random mod 100 < {percent} counter");
            // See `holes_are_told_by_sack_and_filled`.
            stage.filter(&[
                ("in", &format!("{some} drop")),
                ("out", &format!("{some} tcp dport set 9")),
            ])?;
            for host in link.addresses() {
                let done = stage.up_and_down(host, length(percent));
                done.map_err(|error| format!("{link:?}, {percent} %, {host}: {error}"))?;
            }
            let counted = stage.network.client("nft list table inet test")?;
            assert!(!counted.contains("packets 0 "), "nothing was lost:\n{counted}");
            stage.unfilter()?;
        }
        stage.comes_to_rest()?;
    }
    Ok(())
}
