//! What is wrong with a configuration, and where: [`ConfigError`].

use std::fmt;
use std::ops::Range;

use serde_spanned::Spanned;

/// One thing that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Where in the file, in bytes; absent when the value did not come from a file.
    pub span: Option<Range<usize>>,
    /// What is wrong, what it means, and what to write instead.
    pub message: String,
}

/// Everything that is wrong with a configuration; at least one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects complaints while a configuration is looked through.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Vec<ConfigError>);

impl Complaints {
    /// Something is wrong with `value`.
    pub(crate) fn about<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        let span = value.span();
        let span = (span != super::NOWHERE).then_some(span);
        self.0.push(ConfigError { span, message: message.into() });
    }

    /// `made`, unless something is wrong.
    pub(crate) fn or<T>(self, made: T) -> Result<T, ConfigErrors> {
        if self.0.is_empty() { Ok(made) } else { Err(ConfigErrors(self.0)) }
    }
}
