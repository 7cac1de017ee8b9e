//! Which content coding a client prefers: `Accept-Encoding`, RFC 9110 section 12.5.3.

use crate::{Headers, Request};

/// A content coding that files are commonly kept or made in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `gzip` (RFC 1952)
    Gzip,
    /// `br` (RFC 7932)
    Brotli,
    /// `zstd` (RFC 8878)
    Zstd,
}

impl Coding {
    const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// The coding's name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn is_named(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name().as_bytes())
            // RFC 9110 section 8.4.1.3.
            || (self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// How much a client likes each coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptEncoding {
    /// In thousandths, by the coding's place in [`Coding::ALL`].
    weights: [u16; Coding::ALL.len()],
}

/// The weight of what is acceptable without having been asked for.
const TOLERATED: u16 = 1;

impl AcceptEncoding {
    /// What a request says. One that says nothing gets what is there as it is: such clients rarely
    /// know any coding, though they may be sent all.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        Self::parse(request.headers)
    }

    fn parse(headers: Headers<'_>) -> Self {
        let mut named = [None; Coding::ALL.len()];
        let mut others = None;
        let elements = headers
            .all("accept-encoding")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .filter_map(element);
        for (name, weight) in elements {
            if name == b"*" {
                others = Some(weight);
            }
            if let Some(place) = Coding::ALL.iter().position(|coding| coding.is_named(name)) {
                named[place] = Some(weight);
            }
        }
        let mut weights = named.map(|weight| weight.or(others).unwrap_or(0));
        if named[0].is_none() && others.is_none() {
            weights[0] = TOLERATED;
        }
        Self { weights }
    }

    /// How much this coding is liked: 0 (not acceptable) to 1000.
    #[must_use]
    pub const fn weight(&self, coding: Coding) -> u16 {
        self.weights[coding as usize]
    }

    /// The coding liked best of those there are; the first of several liked as much. `None` when
    /// none is acceptable.
    #[must_use]
    pub fn choose(&self, available: impl IntoIterator<Item = Coding>) -> Option<Coding> {
        let mut best = None;
        for coding in available {
            let weight = self.weight(coding);
            if weight > best.map_or(0, |best| self.weight(best)) {
                best = Some(coding);
            }
        }
        best
    }
}

/// An element of the list: a coding's name and its weight. `None` for a malformed one.
fn element(text: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = text.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let Some(parameter) = parts.next() else { return Some((name, 1000)) };
    let [b'q' | b'Q', b'=', weight @ ..] = parameter else { return None };
    let weight = quality(weight)?;
    parts.next().is_none().then_some((name, weight))
}

/// `qvalue` in thousandths (RFC 9110 section 12.4.2).
fn quality(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, [].as_slice()),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = core::iter::once(whole).chain(decimals).chain(b"000").take(4);
    let thousandths = digits.into_iter().try_fold(0_u16, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0'))
    })?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::{AcceptEncoding, Coding};
    use crate::{Header, Headers};

    fn chosen(values: &[&str]) -> Option<Coding> {
        let lines: std::vec::Vec<_> = values
            .iter()
            .map(|value| Header { name: "Accept-Encoding", value: value.as_bytes() })
            .collect();
        AcceptEncoding::parse(Headers::new(&lines)).choose([
            Coding::Zstd,
            Coding::Brotli,
            Coding::Gzip,
            Coding::Identity,
        ])
    }

    #[test]
    fn the_coding_liked_best_is_chosen() {
        for (values, expected) in [
            ([].as_slice(), Some(Coding::Identity)),
            (&[""], Some(Coding::Identity)),
            (&["gzip, deflate, br, zstd"], Some(Coding::Zstd)),
            (&["gzip, deflate, br"], Some(Coding::Brotli)),
            (&["GZIP"], Some(Coding::Gzip)),
            (&["x-gzip"], Some(Coding::Gzip)),
            (&["gzip;q=0.8, br;q=0.7"], Some(Coding::Gzip)),
            (&["gzip ; q=0.001"], Some(Coding::Gzip)),
            (&["gzip;q=0"], Some(Coding::Identity)),
            (&["gzip;q=0.000, *"], Some(Coding::Zstd)),
            (&["identity, gzip;q=0.5"], Some(Coding::Identity)),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Coding::Gzip)),
            (&["*;q=0"], None),
            (&["identity;q=0"], None),
            (&["identity;q=0, br"], Some(Coding::Brotli)),
            (&["*;q=0, gzip"], Some(Coding::Gzip)),
            (&["gzip", "br;q=0.9"], Some(Coding::Gzip)),
            (&["deflate"], Some(Coding::Identity)),
            (&["br;q=1.001"], Some(Coding::Identity)),
            (&["br;q=0.1234"], Some(Coding::Identity)),
            (&["br;q=x"], Some(Coding::Identity)),
            (&["br;level=1"], Some(Coding::Identity)),
            (&[",;,q=1,;q=1"], Some(Coding::Identity)),
        ] {
            assert_eq!(chosen(values), expected, "{values:?}");
        }
    }
}
