//! What systemd is told (sd_notify(3)), where it asked to be. Telling it never fails the server:
//! what cannot be sent is logged.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Serving.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reading the configuration anew. To be followed by [`ready`].
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// Draining.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("finishing the answers under way")]);
}

/// Alive.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often to say [`alive`]: twice in the time within which systemd expects it; none where it
/// does not.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!("systemd could not be notified: {error}");
    }
}
