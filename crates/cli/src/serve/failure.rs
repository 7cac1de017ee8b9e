//! Why `crore serve` ended other than well: [`Failure`].

use std::io;

use crore::{Error, LinkError};

use crate::settings::{Given, Problem, Settings};

/// What went wrong, for a person, and what the exit status says about it.
#[derive(Debug)]
pub struct Failure {
    /// At least one.
    pub problems: Vec<Problem>,
    /// Whether it is the settings that are wrong.
    pub wrong_setting: bool,
}

impl Failure {
    /// The system refused something that has to do with no setting.
    pub fn system(what: &str, error: &io::Error) -> Self {
        let problem = Problem::unplaced(format!("the system refused {what}: {error}"));
        Self { problems: vec![problem], wrong_setting: false }
    }

    /// The server could not go on.
    pub fn ended(problem: Problem) -> Self {
        Self { problems: vec![problem], wrong_setting: false }
    }

    /// The value of the setting called `name` is the reason.
    pub fn at(given: &Given<'_>, name: &str, problem: Problem) -> Self {
        Self { problems: vec![problem.at(given.place(name, None))], wrong_setting: true }
    }

    /// The server could not be bound, started or kept going.
    pub fn server(given: &Given<'_>, settings: &Settings, error: &Error) -> Self {
        let message = error.to_string();
        let place = match error {
            Error::Descriptors { .. } => given.place("max_connections", None),
            Error::Listen(_) => {
                // The message names the address, and an address prints as it was written.
                let concerned = |address: &_| message.contains(&format!(" {address}:"));
                match settings.listen.iter().position(concerned) {
                    Some(index) => given.place("listen", Some(index)),
                    None => given.place("admin", None),
                }
            }
            Error::Capture { .. } | Error::Link(LinkError::NothingToCapture) => {
                given.place("pcap", None)
            }
            Error::Link(LinkError::Gateway(_)) => given.place("gateway", None),
            Error::Link(LinkError::Listen(address)) => {
                let index = settings.listen.iter().position(|listen| listen == address);
                given.place("listen", index)
            }
            Error::Link(LinkError::Tap(_) | LinkError::Xdp(_)) => given.place("net", None),
            _ => return Self::ended(Problem::unplaced(message)),
        };
        let problem = Problem::new(place, message);
        let problem = match error {
            Error::Listen(_) => problem.advise("--listen 127.0.0.1:0 takes a port that is free"),
            _ => problem,
        };
        let wrong_setting = matches!(error, Error::Descriptors { .. } | Error::Link(_));
        Self { problems: vec![problem], wrong_setting }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], wrong_setting: true }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, wrong_setting: true }
    }
}
