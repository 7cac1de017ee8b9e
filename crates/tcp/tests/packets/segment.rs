//! Segments as a test writes them: numbers relative to each side's first, only the fields that
//! matter. Used both for what is injected and for what is expected.

use std::fmt;

use base::Seq;
use wire::protocol::Ecn;
use wire::tcp::{Flags, Repr, SackBlock, SackBlocks, Timestamps};

/// The peer's initial sequence number, near the wrap so that every test crosses it.
pub const PEER_ISS: Seq = Seq(u32::MAX - 1_500);
/// Ours, likewise.
pub const OUR_ISS: Seq = Seq(u32::MAX - 2_500);

/// One segment. What is None or empty is filled in when injected, and not looked at when expected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    pub flags: Flags,
    pub sequence: u32,
    pub length: u32,
    pub acknowledgment: Option<u32>,
    pub window: Option<u16>,
    pub mss: Option<u16>,
    pub scale: Option<u8>,
    pub sack_permitted: Option<bool>,
    pub timestamps: Option<(u32, u32)>,
    pub echo: Option<u32>,
    pub sack: Option<Vec<(u32, u32)>>,
    pub ecn: Option<Ecn>,
    pub urgent: Option<u16>,
    pub no_timestamps: bool,
}

/// `<SYN>` with the sequence number 0.
pub fn syn() -> Segment {
    Segment { flags: Flags::SYN, ..Segment::default() }
}

/// `<SYN,ACK>` that acknowledges a SYN with the sequence number 0.
pub fn syn_ack() -> Segment {
    Segment { flags: Flags::SYN | Flags::ACK, acknowledgment: Some(1), ..Segment::default() }
}

/// A plain acknowledgment of everything before `acknowledgment`, from `sequence`.
pub fn ack(sequence: u32, acknowledgment: u32) -> Segment {
    let acknowledgment = Some(acknowledgment);
    Segment { flags: Flags::ACK, sequence, acknowledgment, ..Segment::default() }
}

/// `length` bytes from `sequence`.
pub fn data(sequence: u32, length: u32, acknowledgment: u32) -> Segment {
    Segment { length, ..ack(sequence, acknowledgment) }
}

/// A FIN at `sequence`.
pub fn fin(sequence: u32, acknowledgment: u32) -> Segment {
    ack(sequence, acknowledgment).with(Flags::FIN)
}

/// A RST without an acknowledgment.
pub fn rst(sequence: u32) -> Segment {
    Segment { flags: Flags::RST, sequence, ..Segment::default() }
}

impl Segment {
    pub fn with(mut self, flags: Flags) -> Self {
        self.flags = self.flags.with(flags);
        self
    }

    pub fn psh(self) -> Self {
        self.with(Flags::PSH)
    }

    pub fn at(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    pub fn win(mut self, window: u16) -> Self {
        self.window = Some(window);
        self
    }

    pub fn mss(mut self, mss: u16) -> Self {
        self.mss = Some(mss);
        self
    }

    pub fn scale(mut self, shift: u8) -> Self {
        self.scale = Some(shift);
        self
    }

    pub fn sack_ok(mut self) -> Self {
        self.sack_permitted = Some(true);
        self
    }

    pub fn no_sack(mut self) -> Self {
        self.sack_permitted = Some(false);
        self
    }

    /// TSval and TSecr, as they are on the wire.
    pub fn ts(mut self, value: u32, echo: u32) -> Self {
        self.timestamps = Some((value, echo));
        self
    }

    /// Only TSecr.
    pub fn echo(mut self, echo: u32) -> Self {
        self.echo = Some(echo);
        self
    }

    pub fn without_ts(mut self) -> Self {
        self.no_timestamps = true;
        self
    }

    /// SACK blocks, in order: numbers of the data they tell of.
    pub fn sack(mut self, blocks: &[(u32, u32)]) -> Self {
        self.sack = Some(blocks.to_vec());
        self
    }

    pub fn ecn(mut self, ecn: Ecn) -> Self {
        self.ecn = Some(ecn);
        self
    }

    pub fn urgent(mut self, pointer: u16) -> Self {
        self.urgent = Some(pointer);
        self.with(Flags::URG)
    }

    /// As the peer's header.
    pub fn header(&self) -> Repr {
        let mut header = Repr {
            sequence: PEER_ISS + self.sequence,
            acknowledgment: self.acknowledgment.map_or(Seq(0), |number| OUR_ISS + number),
            flags: self.flags,
            window: self.window.unwrap_or(u16::MAX),
            urgent: self.urgent.unwrap_or(0),
            ..Repr::default()
        };
        header.options.mss = self.mss;
        header.options.window_scale = self.scale;
        header.options.sack_permitted = self.sack_permitted.unwrap_or(false);
        header.options.timestamps = self.timestamps.map(|(value, echo)| Timestamps { value, echo });
        let mut sack = SackBlocks::default();
        for (start, end) in self.sack.iter().flatten() {
            sack.push(SackBlock { start: OUR_ISS + *start, end: OUR_ISS + *end });
        }
        header.options.sack = sack;
        header
    }

    /// What of `sent` differs from this.
    pub fn difference(&self, sent: &Sent) -> Option<String> {
        let got = &sent.0;
        let mut wrong = Vec::new();
        let mut compare = |name: &str, matches: bool| {
            if !matches {
                wrong.push(name.to_owned());
            }
        };
        compare("flags", self.flags == got.flags);
        compare("sequence", self.sequence == got.sequence);
        compare("length", self.length == got.length);
        compare("acknowledgment", matches(&self.acknowledgment, &got.acknowledgment));
        compare("window", matches(&self.window, &got.window));
        compare("mss", matches(&self.mss, &got.mss));
        compare("scale", matches(&self.scale, &got.scale));
        compare("SACK permitted", matches(&self.sack_permitted, &got.sack_permitted));
        compare("timestamps", matches(&self.timestamps, &got.timestamps));
        compare("echo", self.echo.is_none() || self.echo == got.timestamps.map(|ts| ts.1));
        compare("SACK", matches(&self.sack, &got.sack));
        compare("ECN", matches(&self.ecn, &got.ecn));
        compare("urgent pointer", matches(&self.urgent, &got.urgent));
        compare("no timestamps", !self.no_timestamps || got.timestamps.is_none());
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

fn matches<T: PartialEq>(wanted: &Option<T>, got: &Option<T>) -> bool {
    wanted.is_none() || wanted == got
}

/// A segment that was sent.
#[derive(Clone)]
pub struct Sent(Segment);

impl Sent {
    /// The last number offered, of the peer's, with windows in units of 2^`shift`.
    pub fn edge(&self, shift: u8) -> u32 {
        let window = u32::from(self.0.window.unwrap_or(0)) << shift;
        self.0.acknowledgment.unwrap_or(0) + window
    }

    /// The number of its first byte, and the one after its last.
    pub fn span(&self) -> (u32, u32) {
        (self.0.sequence, self.0.sequence + self.0.length)
    }

    pub fn new(outgoing: &tcp::Outgoing) -> Self {
        let header = &outgoing.header;
        let options = &header.options;
        let relative = |number: Seq| number.distance(PEER_ISS) as u32;
        let sack = options.sack.as_slice().iter();
        Self(Segment {
            flags: header.flags,
            sequence: header.sequence.distance(OUR_ISS) as u32,
            length: outgoing.length,
            acknowledgment: header.flags.any(Flags::ACK).then(|| relative(header.acknowledgment)),
            window: Some(header.window),
            mss: options.mss,
            scale: options.window_scale,
            sack_permitted: Some(options.sack_permitted),
            timestamps: options.timestamps.map(|stamps| (stamps.value, stamps.echo)),
            echo: None,
            sack: Some(sack.map(|block| (relative(block.start), relative(block.end))).collect()),
            ecn: Some(outgoing.ecn),
            urgent: header.flags.any(Flags::URG).then_some(header.urgent),
            no_timestamps: false,
        })
    }

    pub fn mss(&self) -> Option<u16> {
        self.0.mss
    }

    pub fn timestamp(&self) -> Option<u32> {
        self.0.timestamps.map(|stamps| stamps.0)
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Segment { flags, sequence, length, acknowledgment, window, .. } = &self.0;
        write!(f, "{flags:?} {sequence}+{length} ack {acknowledgment:?} win {window:?}")?;
        write!(f, " ts {:?} sack {:?} ecn {:?}", self.0.timestamps, self.0.sack, self.0.ecn)
    }
}
