//! One reading after the other. Each check is a function from what was read to findings; which of
//! them matter depends on what connections are to be held on.

mod cpu;
mod device;
mod kernel;
mod limits;
mod memory;

use crate::{Finding, Machine, Net, Question};

/// All findings, in the order in which they are worth reading.
pub(crate) fn all(machine: &Machine, question: &Question) -> Vec<Finding> {
    let tree = &machine.tree;
    let for_sockets = !matches!(question.net, Some(Net::Stack { .. }));
    let for_stack = question.net != Some(Net::Kernel);
    let mut found = Vec::new();
    if for_sockets {
        found.extend(limits::descriptors(tree, question));
        found.push(memory::for_sockets(tree, question));
        found.push(memory::tcp_mem(tree));
        found.extend(limits::conntrack(tree, question));
        found.push(limits::somaxconn(tree));
        found.push(limits::syn_backlog(tree));
        found.push(limits::ports(tree, question));
    }
    if for_stack {
        found.push(memory::for_stack(tree, question));
        found.push(memory::huge_pages(tree, question));
        found.push(memory::transparent(tree));
        found.push(kernel::locked_memory(tree));
    }
    found.extend(memory::of_group(tree, question));
    found.push(kernel::version(tree));
    if for_sockets {
        found.extend(kernel::io_uring(tree));
    }
    found.push(kernel::time_source(tree));
    found.push(cpu::count(tree));
    found.extend(cpu::governor(tree));
    if for_stack {
        found.push(cpu::isolation(tree));
    }
    found.push(cpu::nodes(machine));
    let wanted = match &question.net {
        Some(Net::Stack { interface }) => interface.as_deref(),
        _ => None,
    };
    found.extend(device::all(machine, wanted, for_stack));
    found
}
