//! The findings about machines that were recorded: one real, two made up for what they lack and have.
//! `=== PATH` starts a file, `=== PATH -> TARGET` is a symbolic link.

use std::fs;
use std::path::Path;

use doctor::{
    Costs, Finding, Holding, Journal, Limit, Machine, Net, Offload, Question, Report, Tree, Undone,
    Verdict, XdpModes, examine,
};
use tempfile::TempDir;

const VIRTUAL: &str = include_str!("machines/virtual-2-processors.txt");
const NEGLECTED: &str = include_str!("machines/neglected-server.txt");
const PREPARED: &str = include_str!("machines/prepared-server.txt");

const COSTS: Costs = Costs {
    sock_bytes: 128,
    kernel_bytes: 3_957,
    stack_bytes: 80,
    stack_fixed_bytes: 64 << 20,
    spare_descriptors: 64,
    usable_percent: 90,
};

fn lay_out(recorded: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for part in recorded.split("=== ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        let (name, target) = name.split_once(" -> ").map_or((name, None), |(n, t)| (n, Some(t)));
        let path = folder.path().join(&name[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    folder
}

fn ask(root: &Path, connections: u64, net: Option<Net>) -> Report {
    let machine = Machine::recorded(Tree::at(root));
    examine(&machine, &Question { connections, net, costs: COSTS })
}

fn finding<'a>(report: &'a Report, topic: &str) -> &'a Finding {
    let found = report.findings.iter().find(|finding| finding.topic == topic);
    found.unwrap_or_else(|| panic!("nothing about {topic}: {:#?}", report.findings))
}

fn topics(report: &Report, is_meant: impl Fn(&Verdict) -> bool) -> Vec<&str> {
    let some = report.findings.iter().filter(|finding| is_meant(&finding.verdict));
    some.map(|finding| finding.topic.as_str()).collect()
}

#[test]
fn a_small_virtual_machine_holds_ten_million_on_our_stack_and_not_on_sockets() {
    let folder = lay_out(VIRTUAL);
    let report = ask(folder.path(), 10_000_000, None);
    let [sockets, stack] = &report.capacity[..] else { panic!("two ways") };
    assert_eq!((sockets.holding, sockets.limit), (Holding::KernelSockets, Limit::Descriptors));
    assert_eq!(sockets.connections, 20_000 - 64);
    assert_eq!((stack.holding, stack.limit), (Holding::OwnStack, Limit::Memory));
    assert!(stack.connections > 200_000_000 && report.suffices());
    assert!(!ask(folder.path(), 10_000_000, Some(Net::Kernel)).suffices());
    // TCP 2,521 with what its slabs waste, inode 863, dentry 196, file 196, epoll item 128.
    assert!(finding(&report, "memory-kernel").reading.contains("by this kernel's own account"));
    assert_eq!(sockets.bytes_each, 2_521 + 863 + 196 + 196 + 128 + 128);
    // It has no right to raise the limit: no command is told that would not work.
    let descriptors = finding(&report, "descriptors");
    assert!(matches!(descriptors.verdict, Verdict::Lacking { mend: None, .. }));
    assert_eq!(finding(&report, "eth0:driver").reading, "virtio_net");
    assert!(matches!(finding(&report, "eth0:xdp").verdict, Verdict::Unknown { .. }));
}

#[test]
fn a_neglected_server_is_told_everything_that_is_wrong_with_it() {
    let folder = lay_out(NEGLECTED);
    let report = ask(folder.path(), 2_000_000, None);
    let lacking = topics(&report, |verdict| matches!(verdict, Verdict::Lacking { .. }));
    assert_eq!(lacking, ["descriptors", "descriptors-most", "conntrack"]);
    let slower = topics(&report, |verdict| matches!(verdict, Verdict::Slower { .. }));
    let expected = [
        "tcp-mem",
        "somaxconn",
        "syn-backlog",
        "ports",
        "huge-pages",
        "transparent-huge-pages",
        "kernel",
        "io-uring",
        "time-source",
        "governor",
        "isolation",
        "numa",
        "eno1:queues",
        "eno1:interrupts",
    ];
    assert_eq!(slower, expected);
    let command = |topic: &str| finding(&report, topic).mend().unwrap().now.clone();
    assert_eq!(command("conntrack"), "sysctl -w net.netfilter.nf_conntrack_max=\"2260000\"");
    assert!(command("descriptors").starts_with("ulimit -n 2000064"));
    assert_eq!(
        command("governor"),
        "echo performance > /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    );
    assert_eq!(command("eno1:queues"), "echo f > /sys/class/net/eno1/queues/rx-0/rps_cpus");
    assert_eq!(command("ports"), "sysctl -w net.ipv4.ip_local_port_range=\"1024 60999\"");
    for finding in &report.findings {
        let text = format!("{finding:?}");
        assert!(!text.contains("NaN") && !finding.topic.is_empty());
    }
}

#[test]
fn a_control_group_ends_it_before_the_machine_does() {
    let folder = lay_out(VIRTUAL);
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // A service: its slice has less than it has itself, and holds files that can go.
    write("proc/self/cgroup", "0::/push.slice/crore.service\n");
    write("sys/fs/cgroup/push.slice/memory.max", "536870912\n");
    write("sys/fs/cgroup/push.slice/memory.current", "536870912\n");
    write("sys/fs/cgroup/push.slice/memory.stat", "anon 5\ninactive_file 268435456\n");
    write("sys/fs/cgroup/push.slice/crore.service/memory.max", "max\n");
    write("sys/fs/cgroup/push.slice/crore.service/memory.current", "4096\n");
    let report = ask(folder.path(), 10_000_000, None);
    let stack = report.capacity[1].connections;
    // Nine tenths of 256 MiB, less what a shard takes.
    assert_eq!(stack, (268_435_456 / 100 * 90 - (64 << 20)) / 80);
    assert!(!report.suffices());
    let group = finding(&report, "memory-group");
    assert!(group.reading.starts_with("256 MiB left of the 512 MiB"), "{}", group.reading);
    assert_eq!(group.mend().unwrap().now, "echo max > /sys/fs/cgroup/push.slice/memory.max");
    // A container sees its own limit at the top, and cannot change it.
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/memory.max", "1073741824\n");
    write("sys/fs/cgroup/memory.current", "0\n");
    let report = ask(folder.path(), 20_000_000, None);
    let Verdict::Lacking { mend: None, .. } = &finding(&report, "memory-group").verdict else {
        panic!("{:?}", finding(&report, "memory-group"))
    };
    assert!(matches!(finding(&report, "memory-stack").verdict, Verdict::Lacking { .. }));
    // And where nothing limits it, nothing is said.
    write("sys/fs/cgroup/memory.max", "max\n");
    let report = ask(folder.path(), 1_000, None);
    assert!(topics(&report, |_| true).iter().all(|topic| *topic != "memory-group"));
}

#[test]
fn a_card_that_could_do_more_is_told_how_for_now_and_for_good() {
    let folder = lay_out(NEGLECTED);
    let mut machine = Machine::recorded(Tree::at(folder.path()));
    let card = &mut machine.devices[0];
    card.channels = Some((2, 8));
    card.rx_ring = Some((256, 4_096));
    card.rss = Some(vec![0, 0, 0, 0]);
    card.offloads = Some(vec![(Offload::ReceiveChecksum, true), (Offload::Segmentation, false)]);
    card.xdp = Some(XdpModes { driver: false, zero_copy: false });
    let report = examine(&machine, &Question { connections: 1_000, net: None, costs: COSTS });
    let mend = |topic: &str| finding(&report, topic).mend().unwrap().clone();
    for (topic, command) in [
        ("eno1:queues", "ethtool -L eno1 combined 4"),
        ("eno1:rss", "ethtool -X eno1 equal 2"),
        ("eno1:ring", "ethtool -G eno1 rx 1024"),
        ("eno1:offloads", "ethtool -K eno1 tso on"),
    ] {
        let mend = mend(topic);
        assert_eq!(mend.now, command);
        let lasting = mend.lasting.unwrap();
        assert_eq!(lasting.file, "/etc/udev/rules.d/90-crore.rules");
        assert!(lasting.line.contains("KERNEL==\"eno1\"") && lasting.line.contains(command));
    }
    assert!(finding(&report, "eno1:xdp").reading.starts_with("generic only"));
    let interrupts = mend("eno1:interrupts");
    assert_eq!(
        interrupts.now,
        "echo 0 > /proc/irq/40/smp_affinity_list; echo 1 > /proc/irq/41/smp_affinity_list"
    );
    assert_eq!(interrupts.changes.len(), 2);
    // All queues reached: nothing to say.
    machine.devices[0].rss = Some(vec![0, 1, 0, 1]);
    let report = examine(&machine, &Question { connections: 1_000, net: None, costs: COSTS });
    assert_eq!(finding(&report, "eno1:rss").verdict, Verdict::Ok);
}

#[test]
fn a_prepared_server_is_told_nothing() {
    let folder = lay_out(PREPARED);
    let report = ask(folder.path(), 10_000_000, None);
    let not_ok = topics(&report, |verdict| !matches!(verdict, Verdict::Ok));
    assert_eq!(not_ok, [] as [&str; 0]);
    assert!(report.suffices());
}

#[test]
fn what_is_asked_for_one_engine_is_not_about_the_other() {
    let folder = lay_out(NEGLECTED);
    let sockets = ask(folder.path(), 1_000, Some(Net::Kernel));
    assert!(topics(&sockets, |_| true).iter().all(|topic| !topic.contains("huge")));
    let stack = ask(folder.path(), 1_000, Some(Net::Stack { interface: None }));
    assert!(topics(&stack, |_| true).iter().all(|topic| !topic.contains("descriptors")));
    let wrong = Some(Net::Stack { interface: Some("eth7".into()) });
    let report = ask(folder.path(), 1_000, wrong);
    let Verdict::Lacking { cost, .. } = &finding(&report, "device").verdict else { panic!() };
    assert_eq!(cost, "there is none of this name; there are: eno1");
}

#[test]
fn a_machine_of_which_nothing_can_be_read_is_unknown_and_no_panic() {
    let folder = TempDir::new().unwrap();
    let report = ask(folder.path(), u64::MAX, None);
    assert!(report.capacity.is_empty() && !report.suffices());
    assert!(!topics(&report, |verdict| matches!(verdict, Verdict::Unknown { .. })).is_empty());
}

#[test]
fn what_was_fixed_is_taken_back_to_the_letter() {
    let folder = lay_out(NEGLECTED);
    let tree = Tree::at(folder.path());
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    let report = ask(folder.path(), 1_000_000, None);
    let mut journal = Journal::load(&tree).unwrap();
    assert!(journal.is_empty());
    for topic in ["somaxconn", "transparent-huge-pages", "ports"] {
        journal.fix(&tree, finding(&report, topic), true).unwrap();
    }
    assert!(journal.fix(&tree, finding(&report, "descriptors"), true).is_err());
    assert_eq!(read("proc/sys/net/core/somaxconn"), "4096");
    assert_eq!(read("sys/kernel/mm/transparent_hugepage/enabled"), "madvise");
    assert!(read("etc/sysctl.d/90-crore.conf").contains("\nnet.core.somaxconn = 4096\n"));
    assert!(read("etc/tmpfiles.d/crore.conf").contains("\nw /sys/kernel/mm/transparent_hugepage/"));
    // Another process, later; and somebody has changed one of them meanwhile.
    fs::write(folder.path().join("proc/sys/net/ipv4/ip_local_port_range"), "2000\t3000\n").unwrap();
    let mut journal = Journal::load(&tree).unwrap();
    let undone = journal.undo(&tree).unwrap();
    let left: Vec<_> = undone.iter().filter(|one| matches!(one, Undone::Left(_))).collect();
    assert_eq!(left.len(), 1, "{undone:?}");
    assert_eq!(read("proc/sys/net/core/somaxconn"), "128");
    assert_eq!(read("sys/kernel/mm/transparent_hugepage/enabled"), "never");
    assert_eq!(read("proc/sys/net/ipv4/ip_local_port_range"), "2000\t3000\n");
    for gone in
        ["etc/sysctl.d/90-crore.conf", "etc/tmpfiles.d/crore.conf", "var/lib/crore/doctor.json"]
    {
        assert!(!folder.path().join(gone).exists(), "{gone}");
    }
    assert!(Journal::load(&tree).unwrap().is_empty());
}

#[test]
fn fixing_twice_is_taken_back_to_what_was_there_at_first() {
    let folder = lay_out(NEGLECTED);
    let tree = Tree::at(folder.path());
    let report = ask(folder.path(), 1_000, None);
    let mut journal = Journal::load(&tree).unwrap();
    journal.fix(&tree, finding(&report, "somaxconn"), true).unwrap();
    journal.fix(&tree, finding(&report, "somaxconn"), true).unwrap();
    journal.undo(&tree).unwrap();
    let now = fs::read_to_string(folder.path().join("proc/sys/net/core/somaxconn")).unwrap();
    assert_eq!(now, "128");
}

#[test]
fn a_file_that_cannot_be_read_is_not_written_over() {
    let folder = lay_out(NEGLECTED);
    let tree = Tree::at(folder.path());
    let file = folder.path().join("etc/sysctl.d/90-crore.conf");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, b"# caf\xe9\nkernel.panic = 1\n").unwrap();
    let report = ask(folder.path(), 1_000, None);
    let mut journal = Journal::load(&tree).unwrap();
    assert!(journal.fix(&tree, finding(&report, "somaxconn"), true).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"# caf\xe9\nkernel.panic = 1\n");
}
