//! What the port inside has to say is heard through the one around it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroU16;

use base::Instant;
use mem::{Batch, Frame, Pool};
use port::{Caps, Lost, News, Pools, Port};

use crate::Leased;

/// A link that has news and no frames.
struct Teller(Vec<News>);

impl Port for Teller {
    type Error = Infallible;

    fn caps(&self) -> Caps {
        Caps::ETHERNET
    }

    fn rx(&mut self, _: Instant, _: &mut Pool, _: &mut Batch) -> Result<(), Infallible> {
        Ok(())
    }

    fn tx(&mut self, _: Instant, _: &mut Pool, _: &mut Batch) -> Result<(), Infallible> {
        Ok(())
    }

    fn tx_uncut(&mut self, _: Instant, _: &[u8], _: NonZeroU16) -> Result<bool, Self::Error> {
        Ok(true)
    }

    fn wait(&mut self, _: Option<Instant>) -> Result<(), Infallible> {
        Ok(())
    }

    fn pools(&mut self) -> Option<Pools> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn pass_on(&mut self, _: &[u8], _: u16) -> bool {
        false
    }

    fn passed(&mut self, _: &mut Pool) -> Option<(Frame, u16)> {
        None
    }

    fn lost(&self) -> Lost {
        Lost::default()
    }

    fn find(&mut self, _: IpAddr) {}

    fn news(&mut self) -> Option<News> {
        self.0.pop()
    }
}

/// All but a new MTU was once taken and not handed on.
#[test]
fn whatever_the_link_has_learnt_is_handed_on() {
    let gone = News::Neighbor { address: [192, 0, 2, 1].into(), mac: None };
    let mut ports = Leased::plain(vec![Teller(vec![News::Mtu(1_280), gone])]);
    let port = &mut ports[0];
    assert_eq!(port.news(), Some(gone));
    assert_eq!(port.news(), Some(News::Mtu(1_280)));
    assert_eq!(port.news(), None);
}
