//! The contract's own promises: what fits, what is refused, what a step says.

use core::time::Duration;

use crate::{Next, NoRoom, Out, Source, Step, Timeout};

#[test]
fn a_step_is_small() {
    assert!(size_of::<Step>() <= 16 && size_of::<Option<Step>>() <= 16);
}

#[test]
fn a_step_says_what_it_was_made_with() {
    let steps = [
        (Step::read(7), 7, Next::Read),
        (Step::idle(usize::MAX), usize::MAX, Next::Idle),
        (Step::write(1), 1, Next::Write),
        (Step::wait(2), 2, Next::Wait),
        (Step::stay(), 0, Next::Stay),
        (Step::close(), 0, Next::Close),
        (Step::finish(), 0, Next::Finish),
        (Step::abort(), 0, Next::Abort),
    ];
    for (step, consumed, next) in steps {
        let (second, timed) = (Duration::from_secs(1), step.within(Duration::from_secs(1)));
        let others = [(step, Timeout::Keep), (timed, Timeout::Set(second))];
        for (step, timeout) in others.into_iter().chain([(timed.untimed(), Timeout::Stop)]) {
            assert_eq!((step.consumed(), step.next(), step.timeout()), (consumed, next, timeout));
        }
    }
}

#[test]
fn put_takes_all_or_nothing() {
    let mut buffer = [0; 4];
    let mut out = Out::new(&mut buffer, true);
    assert_eq!(out.put(b"abcde"), Err(NoRoom));
    assert!(out.is_empty());
    assert_eq!(out.put(b"abc"), Ok(()));
    assert_eq!(out.put_some(b"def"), 1);
    assert_eq!((out.bytes(), out.room()), (&b"abcd"[..], 0));
}

#[test]
fn nothing_follows_an_attachment() {
    let mut buffer = [0; 8];
    let mut out = Out::new(&mut buffer, true);
    assert!(out.put(b"head").is_ok());
    assert!(out.attach(Source::Static(b"body"), 0, 4).is_ok());
    assert_eq!((out.room(), out.filled(), out.attached()), (0, 4, 4));
    assert_eq!(out.put(b"x"), Err(NoRoom));
    assert!(out.attach(Source::Static(b"more"), 0, 4).is_err());
    assert_eq!(out.take_attachment().map(|a| a.length), Some(4));
}

#[test]
fn an_output_that_is_leaving_takes_nothing() {
    let mut out = Out::closed();
    assert_eq!(out.put(b"x"), Err(NoRoom));
    assert!(out.attach(Source::Static(b"x"), 0, 1).is_err());
}

#[test]
fn timeouts_round_up_and_stay_in_range() {
    let of = |span| Step::idle(0).within(span).timeout();
    assert_eq!(of(Duration::ZERO), Timeout::Set(Duration::from_millis(1)));
    assert_eq!(of(Duration::from_micros(1_001)), Timeout::Set(Duration::from_millis(2)));
    assert!(matches!(of(Duration::MAX), Timeout::Set(_)));
    assert_eq!(Step::idle(0).untimed().timeout(), Timeout::Stop);
    assert_eq!(Step::idle(0).timeout(), Timeout::Keep);
}
