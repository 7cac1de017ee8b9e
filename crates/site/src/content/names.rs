//! Which host a request is for: [`Names`]. Case, port and a trailing dot make no difference
//! (RFC 9110 section 4.2.3, RFC 3986 section 3.2.2).

use std::collections::HashMap;

use crate::config::{Complaints, Config, Spanned};

/// The names of all hosts.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<String, usize>,
    /// What follows the `*` of a wildcard, with its dot; the longest first.
    wildcards: Vec<(String, usize)>,
    default: usize,
}

impl Names {
    pub(super) fn new(config: &Config, complaints: &mut Complaints) -> Self {
        let mut names = Self { exact: HashMap::new(), wildcards: Vec::new(), default: 0 };
        for (index, host) in config.host.iter().enumerate() {
            if host.names.is_empty() && config.host.len() > 1 && index > 0 {
                let place = Spanned::new(host.root.as_ref().map_or(0..0, Spanned::span), ());
                let message =
                    "this host has no names, so that no request would reach it: give it `names`";
                complaints.about(&place, message);
            }
            for name in &host.names {
                names.add(name, index, complaints);
            }
        }
        names.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        if let Some(name) = &config.site.default_host {
            match names.known(name.get_ref()) {
                Some(index) => names.default = index,
                None => {
                    let message = format!("no host has the name {:?}", name.get_ref());
                    complaints.about(name, message);
                }
            }
        }
        names
    }

    /// The index of the host that answers for what a request names.
    pub(super) fn find(&self, host: &str) -> usize {
        if self.exact.is_empty() && self.wildcards.is_empty() {
            return self.default;
        }
        self.known(host).unwrap_or(self.default)
    }

    fn known(&self, host: &str) -> Option<usize> {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(&index) = self.exact.get(name) {
            return Some(index);
        }
        let name = name.to_ascii_lowercase();
        if let Some(&index) = self.exact.get(&name) {
            return Some(index);
        }
        let below = |suffix: &String| name.len() > suffix.len() && name.ends_with(suffix.as_str());
        self.wildcards.iter().find(|(suffix, _)| below(suffix)).map(|&(_, index)| index)
    }

    fn add(&mut self, name: &Spanned<String>, index: usize, complaints: &mut Complaints) {
        let text = name.get_ref().to_ascii_lowercase();
        let plain = text.strip_prefix("*.").unwrap_or(&text);
        let plain = plain.strip_suffix('.').unwrap_or(plain);
        let address = plain.starts_with('[') && plain.ends_with(']');
        let strange =
            |character: char| !character.is_ascii_alphanumeric() && !"-_.".contains(character);
        if plain.is_empty() || (!address && plain.contains(strange)) {
            let message = format!(
                "{:?} is no host name; write it like \"example.org\" or \"*.example.org\", \
                 without a port, and names in other scripts in their xn-- form",
                name.get_ref()
            );
            complaints.about(name, message);
            return;
        }
        let taken = if text.starts_with("*.") {
            let suffix = format!(".{plain}");
            let taken = self.wildcards.iter().any(|(other, _)| *other == suffix);
            self.wildcards.push((suffix, index));
            taken
        } else {
            self.exact.insert(plain.to_owned(), index).is_some()
        };
        if taken {
            complaints.about(name, format!("the name {:?} is given twice", name.get_ref()));
        }
    }
}

/// `host` without its port: `[::1]:80` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}
