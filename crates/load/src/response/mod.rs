//! One connection's place in the stream of answers: [`Reader`], RFC 9112 in the client role.
//! Invariant: every byte is looked at once, however the answers are cut up; what a connection holds
//! meanwhile is this value of fixed size, and the bytes of a head that is not complete yet.
//!
//! This is all that the generator knows of HTTP/1.1 answers: another protocol brings another reader
//! with the same [`Reading`].

mod chunked;
mod head;
mod shape;
#[cfg(test)]
mod tests;

pub use head::{Framing, Head};
pub use shape::Shapes;

use crate::ErrorKind;
use crate::check::Checking;
use chunked::Chunked;

/// A head longer than this is [`ErrorKind::HeadTooLarge`].
pub const HEAD_MOST: usize = 32 * 1024;

/// Where in an answer a connection is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    stage: Stage,
    head: Head,
    /// Bytes of body so far.
    body: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// In a head, of which so many bytes have been searched for its end.
    Head {
        searched: usize,
    },
    /// In a body with so many bytes to come.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head { searched: 0 }
    }
}

/// What came of reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// The bytes end before the answer does.
    More,
    /// One whole answer.
    Answer(Answer),
    /// This is no answer; nothing more can be read from the connection.
    Broken(ErrorKind),
}

/// One whole answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Whether another request can be sent over this connection.
    pub keep_alive: bool,
    /// Bytes of its body.
    pub body: u64,
}

/// What is the same for all answers of a phase, and what they teach.
#[derive(Debug, Default)]
pub struct Answers {
    /// Whether the requests are HEAD, whose answers have no body.
    pub bodiless: bool,
    /// Heads seen before.
    pub shapes: Shapes,
}

impl Reader {
    /// Whether nothing of the next answer has been seen yet. Bytes of its head that are held do not
    /// count as seen before they were offered once.
    #[must_use]
    pub const fn at_start(&self) -> bool {
        matches!(self.stage, Stage::Head { searched: 0 })
    }

    /// Reads at most one answer from `rx`, the bytes that were not consumed yet. Says how many
    /// are done with. With `ended`, no more will come.
    pub fn read(
        &mut self,
        rx: &[u8],
        ended: bool,
        common: &mut Answers,
        mut check: Option<&mut Checking>,
    ) -> (usize, Reading) {
        let mut consumed = 0;
        loop {
            let rest = &rx[consumed..];
            let (taken, reading) = match self.stage {
                Stage::Head { searched } => self.read_head(rest, searched, common),
                Stage::Length(_) | Stage::Chunked(_) | Stage::UntilClose => {
                    self.read_body(rest, ended, check.as_deref_mut())
                }
            };
            consumed += taken;
            match reading {
                Progress::On => {}
                Progress::More if ended => {
                    return (consumed, Reading::Broken(self.fault_of_end(rx.len() - consumed)));
                }
                Progress::More => return (consumed, Reading::More),
                Progress::Whole => return (consumed, Reading::Answer(self.finish())),
                Progress::Broken(kind) => return (consumed, Reading::Broken(kind)),
            }
        }
    }

    fn read_head(&mut self, rx: &[u8], searched: usize, common: &mut Answers) -> (usize, Progress) {
        let head = match common.shapes.known(rx) {
            Some(head) => head,
            None => match head::find_end(rx, searched) {
                Some(end) => match head::parse(&rx[..end]) {
                    Ok(head) => {
                        common.shapes.learn(&rx[..end], head);
                        head
                    }
                    Err(kind) => return (0, Progress::Broken(kind)),
                },
                None if rx.len() > HEAD_MOST => {
                    return (0, Progress::Broken(ErrorKind::HeadTooLarge));
                }
                None if !head::can_begin(rx) => return (0, Progress::Broken(ErrorKind::Garbage)),
                None => {
                    self.stage = Stage::Head { searched: rx.len() };
                    return (0, Progress::More);
                }
            },
        };
        let length = head.length as usize;
        if head.is_interim() {
            self.stage = Stage::default();
            return (length, Progress::On);
        }
        self.head = head;
        self.body = 0;
        let framing = if common.bodiless { Framing::None } else { head.framing };
        self.stage = match framing {
            Framing::None | Framing::Length(0) => return (length, Progress::Whole),
            Framing::Length(bytes) => Stage::Length(bytes),
            Framing::Chunked => Stage::Chunked(Chunked::default()),
            Framing::UntilClose => Stage::UntilClose,
        };
        (length, Progress::On)
    }

    fn read_body(
        &mut self,
        rx: &[u8],
        ended: bool,
        mut check: Option<&mut Checking>,
    ) -> (usize, Progress) {
        let Self { stage, body, .. } = self;
        let mut take = |bytes: &[u8]| {
            *body += bytes.len() as u64;
            if let Some(check) = check.as_deref_mut() {
                check.add(bytes);
            }
        };
        match stage {
            Stage::Head { .. } => (0, Progress::On),
            Stage::Length(left) => {
                let count = usize::try_from(*left).map_or(rx.len(), |left| left.min(rx.len()));
                take(&rx[..count]);
                *left -= count as u64;
                (count, if *left == 0 { Progress::Whole } else { Progress::More })
            }
            Stage::UntilClose => {
                take(rx);
                (rx.len(), if ended { Progress::Whole } else { Progress::More })
            }
            Stage::Chunked(chunked) => {
                let (count, progress) = chunked.read(rx, take);
                let progress = match progress {
                    chunked::Progress::More => Progress::More,
                    chunked::Progress::Whole => Progress::Whole,
                    chunked::Progress::Broken => Progress::Broken(ErrorKind::Garbage),
                };
                (count, progress)
            }
        }
    }

    /// The answer that has been read, and back to the start.
    fn finish(&mut self) -> Answer {
        let keep_alive = self.head.keep_alive && !matches!(self.stage, Stage::UntilClose);
        self.stage = Stage::default();
        Answer { status: self.head.status, keep_alive, body: self.body }
    }

    /// What it means that no more bytes come here.
    const fn fault_of_end(&self, left: usize) -> ErrorKind {
        match self.stage {
            Stage::Head { .. } if left == 0 => ErrorKind::ClosedEarly,
            Stage::Head { .. } => ErrorKind::ShortHead,
            _ => ErrorKind::ShortBody,
        }
    }
}

/// What came of one part of an answer.
enum Progress {
    /// On to the next part.
    On,
    More,
    Whole,
    Broken(ErrorKind),
}
