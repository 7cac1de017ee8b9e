//! A host with a TAP device that crore's own stack is on: [`Host`].

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::crore::program;
use crate::namespace::Namespace;
use crate::process::Process;

/// The device.
pub const DEVICE: &str = "tap0";
/// Our stack's address.
pub const STACK: &str = "10.78.0.2";
/// The kernel's on the same link.
pub const KERNEL: &str = "10.78.0.1";
/// The same for IPv6.
pub const STACK_V6: &str = "fd78::2";
/// The kernel's address for IPv6.
pub const KERNEL_V6: &str = "fd78::1";

/// How long a server may take to serve. Generous: the machine may be busy building.
const START_MAX: Duration = Duration::from_secs(30);

/// A host for one test.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
}

/// Who makes the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// The host, with this MTU, before crore attaches to it.
    Before {
        /// Bytes of the longest packet.
        mtu: u16,
        /// Whether it has several queues.
        several_queues: bool,
    },
    /// crore.
    ByCrore,
}

impl Host {
    /// Makes a host, with a device if crore is not to make it.
    ///
    /// # Errors
    /// When that fails: it needs root and iproute2.
    pub fn new(made: Made) -> Outcome<Self> {
        let host = Self { namespace: Namespace::new()? };
        if let Made::Before { mtu, several_queues } = made {
            let queues = if several_queues { " multi_queue" } else { "" };
            host.run(&format!("ip tuntap add dev {DEVICE} mode tap{queues}"))?;
            host.run(&format!("ip link set {DEVICE} mtu {mtu}"))?;
        }
        Ok(host)
    }

    /// Starts `crore serve` on the device, and waits until it answers at port 80.
    ///
    /// # Errors
    /// When it does not; the message has what it printed.
    pub fn serve(&self, root: &Path, flags: &[&str]) -> Outcome<Process> {
        self.serve_by(self.command(program()?), root, flags)
    }

    /// The same by a command on this host that ends with the program's name.
    ///
    /// # Errors
    /// As [`Host::serve`].
    pub fn serve_by(&self, mut command: Command, root: &Path, flags: &[&str]) -> Outcome<Process> {
        command.arg("serve").arg(root).args(["--net", &format!("tap:{DEVICE}")]);
        command.args(["--address", &format!("{STACK}/24,{STACK_V6}/64")]);
        command.args(["--listen", "0.0.0.0:80,[::]:80"]).args(flags);
        let mut crore = Process::start(command)?;
        let start = Instant::now();
        while self.run(&format!("ip -br link show dev {DEVICE} up")).unwrap_or_default().is_empty()
        {
            if crore.ended()?.is_some() || start.elapsed() > START_MAX {
                return Err(format!("{DEVICE} is not there:\n{}", crore.printed()?).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.configure()?;
        for address in [STACK.to_owned(), format!("[{STACK_V6}]")] {
            let asked = format!(
                "curl -sS -o /dev/null --retry 50 --retry-delay 0 --retry-max-time 30 \
                 --retry-all-errors --max-time 30 --connect-timeout 1 http://{address}/"
            );
            self.run(&asked)
                .map_err(|error| format!("{error}\n{}", crore.printed().unwrap_or_default()))?;
        }
        Ok(crore)
    }

    /// Gives the kernel's end of the device its addresses.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn configure(&self) -> Outcome {
        self.run(&format!("ip address replace {KERNEL}/24 dev {DEVICE}"))?;
        self.run(&format!("ip address replace {KERNEL_V6}/64 dev {DEVICE} nodad"))?;
        Ok(())
    }

    /// A command on this host.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.namespace.command(program)
    }

    /// The name of the host's namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// As [`Namespace::run`].
    ///
    /// # Errors
    /// When it fails; the message has what it printed.
    pub fn run(&self, line: &str) -> Outcome<String> {
        self.namespace.run(line)
    }

    /// As [`Namespace::inside`].
    ///
    /// # Errors
    /// What the function says, or when there is no such thread to be had.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        self.namespace.inside(act)
    }
}
