//! What is found: [`Finding`]. Invariant: a finding that is not fine says what it costs; what mends it
//! is an exact command, or it says that there is none.

use serde::Serialize;

/// One reading and what it means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two: also the name by which it is asked to be fixed.
    pub topic: String,
    /// What was read.
    pub reading: String,
    /// What it means.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a reading means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing needs to change.
    Ok,
    /// It works, and would work better.
    Slower {
        /// What it costs.
        cost: String,
        /// What mends it.
        mend: Option<Mend>,
    },
    /// The connections asked for cannot be held, or not all of the time.
    Lacking {
        /// What it costs.
        cost: String,
        /// What mends it.
        mend: Option<Mend>,
    },
    /// It could not be read.
    Unknown {
        /// Why, and who could read it.
        why: String,
    },
}

/// What mends a finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Mend {
    /// The command that mends it until the machine is started again.
    pub now: String,
    /// What that command writes where; none where crore cannot do it in the command's place.
    #[serde(skip)]
    pub changes: Vec<Change>,
    /// What mends it for good.
    pub lasting: Option<Lasting>,
}

/// A value written to a file of /proc or /sys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The file.
    pub path: String,
    /// What is written.
    pub value: String,
}

/// A line in a file that is read when the machine starts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lasting {
    /// The file.
    pub file: String,
    /// The line, or lines.
    pub line: String,
}

impl Finding {
    pub(crate) fn ok(topic: &str, reading: impl Into<String>) -> Self {
        Self { topic: topic.into(), reading: reading.into(), verdict: Verdict::Ok }
    }

    pub(crate) fn slower(
        topic: &str,
        reading: impl Into<String>,
        cost: impl Into<String>,
        mend: Option<Mend>,
    ) -> Self {
        let verdict = Verdict::Slower { cost: cost.into(), mend };
        Self { topic: topic.into(), reading: reading.into(), verdict }
    }

    pub(crate) fn lacking(
        topic: &str,
        reading: impl Into<String>,
        cost: impl Into<String>,
        mend: Option<Mend>,
    ) -> Self {
        let verdict = Verdict::Lacking { cost: cost.into(), mend };
        Self { topic: topic.into(), reading: reading.into(), verdict }
    }

    pub(crate) fn unknown(topic: &str, why: impl Into<String>) -> Self {
        let verdict = Verdict::Unknown { why: why.into() };
        Self { topic: topic.into(), reading: String::new(), verdict }
    }

    /// What mends it, if something does.
    #[must_use]
    pub fn mend(&self) -> Option<&Mend> {
        match &self.verdict {
            Verdict::Slower { mend, .. } | Verdict::Lacking { mend, .. } => mend.as_ref(),
            Verdict::Ok | Verdict::Unknown { .. } => None,
        }
    }
}

impl Mend {
    /// A kernel setting, by its name in sysctl.
    pub(crate) fn sysctl(name: &str, value: &str) -> Self {
        Self {
            now: format!("sysctl -w {name}=\"{value}\""),
            changes: vec![Change {
                path: format!("/proc/sys/{}", name.replace('.', "/")),
                value: value.to_owned(),
            }],
            lasting: Some(Lasting { file: SYSCTL_FILE.into(), line: format!("{name} = {value}") }),
        }
    }

    /// The same value for files of /sys.
    pub(crate) fn sysfs(paths: &[String], value: &str) -> Self {
        let change = |path: &String| Change { path: path.clone(), value: value.to_owned() };
        Self::files(paths.iter().map(change).collect())
    }

    /// Values of files of /sys or /proc that are no settings of sysctl's.
    pub(crate) fn files(changes: Vec<Change>) -> Self {
        let write = |change: &Change| format!("echo {} > {}", change.value, change.path);
        let line = |change: &Change| format!("w {} - - - - {}", change.path, change.value);
        let join = |each: &dyn Fn(&Change) -> String, between: &str| {
            changes.iter().map(each).collect::<Vec<_>>().join(between)
        };
        let lasting = Lasting { file: TMPFILES_FILE.into(), line: join(&line, "\n") };
        Self { now: join(&write, "; "), lasting: Some(lasting), changes }
    }

    /// What ethtool does to a device, now and whenever the device appears.
    pub(crate) fn ethtool(device: &str, arguments: &str) -> Self {
        let (flag, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let command = format!("ethtool {flag} {device} {rest}");
        let rule = format!(
            "ACTION==\"add|move\", SUBSYSTEM==\"net\", KERNEL==\"{device}\", RUN+=\"/usr/sbin/{command}\""
        );
        Self::command(command, Some((UDEV_FILE, rule)))
    }

    /// A command that crore does not carry out itself.
    pub(crate) fn command(now: impl Into<String>, lasting: Option<(&str, String)>) -> Self {
        let lasting = lasting.map(|(file, line)| Lasting { file: file.into(), line });
        Self { now: now.into(), changes: Vec::new(), lasting }
    }
}

/// The files of crore's own that last: sysctl's and, for /sys, systemd's.
pub(crate) const SYSCTL_FILE: &str = "/etc/sysctl.d/90-crore.conf";
/// Rules for devices that appear.
const UDEV_FILE: &str = "/etc/udev/rules.d/90-crore.rules";
pub(crate) const TMPFILES_FILE: &str = "/etc/tmpfiles.d/crore.conf";
