//! What happens to the link of our own stack, for people to be told: [`Notice`]; and whether to go on
//! waiting for it.

use std::fmt;
use std::sync::Arc;

/// Something about the link that somebody may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A DHCP server is looked for on this device, for so many seconds at most.
    Asking {
        /// The device.
        device: String,
        /// Seconds.
        seconds: u64,
    },
    /// What has become of an address that is leased. Prints as that.
    Lease {
        /// Whether connections may be lost by it.
        is_loss: bool,
        /// What it is.
        text: String,
    },
}

impl Notice {
    pub(crate) fn of(event: &dhcp::Event) -> Self {
        let fine = matches!(event, dhcp::Event::Bound(_) | dhcp::Event::Renewed(_));
        Self::Lease { is_loss: !fine, text: event.to_string() }
    }

    /// Whether it is no good news.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        matches!(self, Self::Lease { is_loss: true, .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asking { device, seconds } => write!(
                f,
                "asking for an address by DHCP on {device}, for {seconds} s at most; the device has to \
                 be joined to a network with a server (ip link set {device} master BRIDGE)"
            ),
            Self::Lease { text, .. } => f.write_str(text),
        }
    }
}

/// Whoever waits for a server to be bound: what they are told, and whether they still wait.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) hear: Arc<dyn Fn(&Notice) + Send + Sync>,
    pub(crate) go_on: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Waiting {
    pub(crate) fn tell(&self, notice: &Notice) {
        (self.hear)(notice);
    }

    pub(crate) fn goes_on(&self) -> bool {
        (self.go_on)()
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self { hear: Arc::new(|_| {}), go_on: Arc::new(|| true) }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}
