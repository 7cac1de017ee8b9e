//! Every byte right over links that lose, repeat, corrupt and reorder what they carry, in both
//! directions.

use std::time::Duration;

use crore::Reason;
use rig::Outcome;
use rig::middle::Harmed;
use rig::netns::Network;
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
fn loss_corruption_and_repetition_by_a_packet_filter_harm_no_byte() -> Outcome {
    for link in [Link::Xdp, Link::Generic, Link::Tap] {
        for mtu in [1500, 9000] {
            let stage = Stage::on(Network::filtered(1, mtu)?, link, 1)?;
            let middle = stage.network.middle().ok_or("nobody is between")?;
            for percent in [1, 5] {
                let what = format!("{link:?}, MTU {mtu}, {percent} %");
                middle.harm(percent)?;
                for host in link.addresses() {
                    let done = stage.up_and_down(host, 2 * length(percent));
                    done.map_err(|error| format!("{what}, {host}: {error}"))?;
                }
                for harmed in middle.harmed()? {
                    let Harmed { lost, corrupted, repeated } = harmed;
                    assert!(lost > 0 && corrupted > 0 && repeated > 0, "{what}: {harmed:?}");
                }
            }
            middle.harm(0)?;
            // Each end saw for itself what is wrong, and what had been there before.
            let what = format!("{link:?}, MTU {mtu}");
            let drops = &stage.vitals()?.drops;
            // By a TAP device's port, which looks at checksums by itself, or by the stack.
            assert!(drops.get(Reason::Checksum) > 0, "{what}: {drops:?}");
            assert!(stage.vitals()?.retransmitted.get() > 0, "{what}");
            for seen in ["TcpInCsumErrors", "TcpRetransSegs", "TcpExtTCPDSACKRecv"] {
                assert!(stage.counted(seen)? > 0, "{what}: no {seen}");
            }
            stage.comes_to_rest()?;
        }
    }
    Ok(())
}
