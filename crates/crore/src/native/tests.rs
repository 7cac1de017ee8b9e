//! Addresses, sources and gateways of a link, as they were told and as the stack gets them.

use super::{LinkError, config, listening};
use crate::{Address, Prefix, Tap};

fn tap(addresses: Vec<Prefix>) -> Tap {
    let (gateways, sources) = (Vec::new(), Vec::new());
    Tap { device: "tap0".into(), addresses, dhcp: false, gateways, sources }
}

fn own() -> Vec<Prefix> {
    vec!["10.0.0.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()]
}

#[test]
fn all_addresses_stand_for_the_first_of_their_family() {
    let listen: Vec<Address> =
        ["0.0.0.0:80", "[::]:80", "10.0.0.2:81"].iter().map(|text| text.parse().unwrap()).collect();
    let found: Vec<String> =
        listening(&listen, &own()).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.2:80", "[fd00::2]:80", "10.0.0.2:81"]);
    for text in ["10.0.0.3:80", "10.0.0.2:0", "unix:/run/a"] {
        let address: Address = text.parse().unwrap();
        let refused = listening(std::slice::from_ref(&address), &own());
        assert_eq!(refused, Err(LinkError::Listen(address)), "{text}");
    }
}

#[test]
fn sources_are_every_address_of_their_networks_and_not_too_many() {
    let sources = |texts: &[&str]| {
        let prefixes: Vec<Prefix> = texts.iter().map(|text| text.parse().unwrap()).collect();
        super::source_addresses(&prefixes).map(|all| all.len())
    };
    assert_eq!(sources(&["10.1.0.0/16"]), Ok(65_536));
    assert_eq!(sources(&["10.1.0.7/30", "fd00::/120"]), Ok(4 + 256));
    for too_many in [&["10.0.0.0/15"][..], &["10.1.0.0/16", "10.2.0.1/32"], &["::1/0"]] {
        assert_eq!(sources(too_many), Err(LinkError::TooManySources));
    }
}

#[test]
fn gateways_are_neighbours_and_one_of_a_family() {
    let with = |gateways: &[&str]| {
        let gateways: Vec<_> = gateways.iter().map(|text| text.parse().unwrap()).collect();
        config(&Tap { gateways, ..tap(own()) }).map(|config| config.routes.len())
    };
    assert_eq!(with(&["10.0.0.1", "fd00::1"]), Ok(4));
    for gateways in [&["10.0.1.1"][..], &["10.0.0.1", "10.0.0.3"], &["fd01::1"]] {
        assert!(matches!(with(gateways), Err(LinkError::Gateway(_))), "{gateways:?}");
    }
    assert!(matches!(config(&tap(Vec::new())), Err(LinkError::NoAddress)));
    // A lease brings its own, of its family.
    let leased = |gateway: &str| {
        let gateways = vec![gateway.parse().unwrap()];
        config(&Tap { dhcp: true, gateways, ..tap(own()) }).map(|config| config.routes.len())
    };
    assert!(matches!(leased("10.0.0.1"), Err(LinkError::LeasedGateway(_))));
    assert_eq!(leased("fd00::1"), Ok(3));
    assert!(config(&Tap { dhcp: true, ..tap(Vec::new()) }).unwrap().addresses.is_empty());
}
