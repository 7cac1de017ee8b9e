//! Whether a machine can hold so many connections, and how to make it: [`examine`].
//!
//! | file | what |
//! | --- | --- |
//! | `tree` | what is read: files of /proc and /sys, below a root that a test can choose |
//! | `genetlink`, `device` | what the kernel says of network devices and no file does |
//! | `group` | what the control group leaves of memory |
//! | `capacity` | how many connections fit, on kernel sockets and on crore's own stack, and what ends them |
//! | `checks` | one reading after the other: fine, or what it costs and what mends it |
//! | `finding` | the form of all that is found |
//! | `fix` | carries out what mends, and takes it back |
//!
//! Invariant: every finding comes from something that was read on this machine, and carries it. What
//! could not be read is said to be unknown, never guessed.

#![forbid(unsafe_code)]

mod capacity;
mod checks;
mod device;
mod finding;
mod fix;
mod genetlink;
mod group;
mod tree;

pub use capacity::{Capacity, Costs, Holding, Limit, available_memory};
pub use device::{Device, Offload, XdpModes};
pub use finding::{Change, Finding, Lasting, Mend, Verdict};
pub use fix::{FixError, Journal, Undone};
pub use tree::Tree;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Connections to hold at once.
    pub connections: u64,
    /// On what. Absent: on either.
    pub net: Option<Net>,
    /// What a connection takes, as the engines' own code says.
    pub costs: Costs,
}

/// What connections are held on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Net {
    /// Sockets of the kernel.
    Kernel,
    /// crore's own TCP/IP stack, over this interface if one was named.
    Stack {
        /// The interface's name.
        interface: Option<String>,
    },
}

/// The machine as it was read.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its /proc and /sys.
    pub tree: Tree,
    /// Its network devices, but for loopback.
    pub devices: Vec<Device>,
}

impl Machine {
    /// Reads this machine.
    #[must_use]
    pub fn this() -> Self {
        let tree = Tree::at("/");
        let devices = device::read(&tree, &genetlink::ask());
        Self { tree, devices }
    }

    /// Reads a machine from files recorded of it; of its devices only what files say.
    #[must_use]
    pub fn recorded(tree: Tree) -> Self {
        let devices = device::read(&tree, &genetlink::Answers::default());
        Self { tree, devices }
    }
}

/// All that was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// How many connections were asked for.
    pub connections: u64,
    /// How many can be held, on what was asked for.
    pub capacity: Vec<Capacity>,
    /// One finding for each reading.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the connections asked for can be held, on one of the ways asked for at least.
    #[must_use]
    pub fn suffices(&self) -> bool {
        self.capacity.iter().any(|capacity| capacity.connections >= self.connections)
    }
}

/// Reads all that matters for the question.
#[must_use]
pub fn examine(machine: &Machine, question: &Question) -> Report {
    Report {
        connections: question.connections,
        capacity: capacity::judge(&machine.tree, question),
        findings: checks::all(machine, question),
    }
}
