//! Structured segments against a live connection, with the application's calls and time between
//! them, under the checks of tcp's own property test.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use tcp::{Config, Extensions};
use victim::{Action, Anything, Victim};
use wire::tcp::Flags;

#[path = "../../crates/tcp/tests/hostile/victim.rs"]
mod victim;

/// Mostly near zero, sometimes anywhere.
fn offset(input: &mut Unstructured<'_>) -> Result<i32> {
    Ok(match input.int_in_range(0..=3u8)? {
        0 | 1 => 0,
        2 => i32::from(input.arbitrary::<i16>()?) / 8,
        _ => input.arbitrary()?,
    })
}

fn segment(input: &mut Unstructured<'_>) -> Result<Anything> {
    let flags = if input.ratio(3, 4)? { Flags::ACK.0 } else { input.arbitrary()? };
    let stamped = input.arbitrary()?;
    let timestamp = (i32::from(input.arbitrary::<i16>()?), i32::from(input.arbitrary::<i16>()?));
    let blocks = input.int_in_range(0..=4u8)?;
    Ok(Anything {
        sequence: offset(input)?,
        acknowledgment: offset(input)?,
        length: input.int_in_range(0..=1_460)?,
        flags,
        window: input.arbitrary()?,
        urgent: input.arbitrary()?,
        timestamp: Some(timestamp).filter(|_| stamped),
        sack: (0..blocks)
            .map(|_| Ok((offset(input)?, offset(input)?)))
            .collect::<Result<Vec<_>>>()?,
        ecn: input.int_in_range(0..=3)?,
        can_hold: input.arbitrary()?,
    })
}

fn action(input: &mut Unstructured<'_>) -> Result<Action> {
    Ok(match input.int_in_range(0..=15u8)? {
        0..=2 => Action::Write(input.arbitrary()?),
        3 => Action::Read(input.arbitrary()?),
        4 => Action::Close,
        5 | 6 => Action::Wait(input.int_in_range(0..=3_000_000)?),
        7 => Action::Sleep(input.int_in_range(0..=100_000_000)?),
        8 => Action::KeepAlive,
        9 => Action::Unreachable(offset(input)?, input.arbitrary()?),
        _ => Action::Segment(segment(input)?),
    })
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let [sack, timestamps, ecn, nagle]: [bool; 4] = input.arbitrary()?;
    let window = input.int_in_range(1..=300_000)?;
    let mut config = Config::default();
    config.receiving.window = window;
    config.sending.nagle = nagle;
    config.extensions = Extensions { sack, timestamps, ecn, ..Extensions::default() };
    let (how, shift) = (input.arbitrary()?, input.arbitrary()?);
    let mut victim = Victim::new(input.arbitrary()?, how, shift, config);
    while !input.is_empty() {
        victim.apply(&action(input)?);
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    // Running out of bytes in the middle of an action ends the run.
    let _ = run(&mut Unstructured::new(bytes));
});
