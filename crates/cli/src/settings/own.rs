//! An address of crore's own stack, as it is written: [`Own`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crore::Prefix;

/// An address of crore's own stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Own {
    /// One that a DHCP server lends.
    Leased,
    /// This one, in this network.
    Fixed(Prefix),
}

impl Own {
    /// What listening on it is called: one that is not known yet is among all of its family.
    pub const fn listens_on(self) -> IpAddr {
        match self {
            Self::Leased => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::Fixed(prefix) => prefix.address,
        }
    }

    /// Those that are fixed, and whether one is leased.
    pub fn divide(all: &[Self]) -> (Vec<Prefix>, bool) {
        let fixed = all.iter().filter_map(|own| match own {
            Self::Fixed(prefix) => Some(*prefix),
            Self::Leased => None,
        });
        (fixed.collect(), all.contains(&Self::Leased))
    }
}

impl FromStr for Own {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("dhcp") {
            return Ok(Self::Leased);
        }
        text.parse().map(Self::Fixed).map_err(|why| format!("{why}; or dhcp, to have one leased"))
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leased => f.write_str("dhcp"),
            Self::Fixed(prefix) => prefix.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Own;

    #[test]
    fn addresses_are_fixed_or_leased() {
        for text in ["dhcp", "10.0.0.2/24", "fd00::2/64"] {
            assert_eq!(text.parse::<Own>().unwrap().to_string(), text);
        }
        let all: Vec<Own> = ["DHCP", "fd00::2/64"].map(|text| text.parse().unwrap()).into();
        let (fixed, leased) = Own::divide(&all);
        assert_eq!((fixed.len(), leased), (1, true));
        assert_eq!(all[0].listens_on().to_string(), "0.0.0.0");
        let complaint = "10.0.0.2".parse::<Own>().unwrap_err();
        assert!(complaint.contains("10.0.0.2/24") && complaint.contains("dhcp"), "{complaint}");
    }
}
