//! The last `Accept-Encoding` that was read, since the next is most often the same: [`Preference`].

use http::{AcceptEncoding, Request};

/// Longest value remembered, in bytes. Browsers send about 25.
const LONGEST: usize = 64;

/// What the last value read came to.
#[derive(Debug, Default)]
pub(super) struct Preference {
    value: Vec<u8>,
    accepted: Option<AcceptEncoding>,
}

impl Preference {
    /// What a request accepts.
    pub(super) fn of(&mut self, request: &Request<'_>) -> AcceptEncoding {
        let mut values = request.headers.all("accept-encoding");
        let value = values.next().filter(|value| value.len() <= LONGEST);
        let (Some(value), None) = (value, values.next()) else {
            return AcceptEncoding::of(request);
        };
        match self.accepted {
            Some(accepted) if self.value == value => accepted,
            _ => {
                let accepted = AcceptEncoding::of(request);
                self.value.clear();
                self.value.extend_from_slice(value);
                self.accepted = Some(accepted);
                accepted
            }
        }
    }
}
