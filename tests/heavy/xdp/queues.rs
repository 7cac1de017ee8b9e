//! Connections whose packets move to another queue, as a client's do that hashes anew after a loss.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rig::Outcome;
use rig::netns::{INTERFACE, Network, SERVER};
use rig::tree::{Tree, pattern};

use super::Served;

/// Has the client's host send by one of its two queues from now on, whatever processor it sends on.
fn send_by(network: &Network, queue: u32) -> Outcome {
    let count = thread::available_parallelism()?.get().min(32);
    let all = format!("{:x}", (1_u64 << count) - 1);
    for (tx, processors) in [(queue, &all[..]), (1 - queue, "0")] {
        let file = format!("/sys/class/net/{INTERFACE}/queues/tx-{tx}/xps_cpus");
        let mut shell = network.on_client("sh");
        let done = shell.arg("-c").arg(format!("echo {processors} > {file}")).status()?;
        assert!(done.success(), "{file}");
    }
    Ok(())
}

fn ask(stream: &mut TcpStream, expected: &[u8]) -> Outcome {
    stream.write_all(b"GET /file HTTP/1.1\r\nhost: test\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(expected) {
        match stream.read(&mut part)? {
            0 => return Err("the connection ended".into()),
            count => answer.extend(&part[..count]),
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root: cargo xtask heavy"]
fn a_connection_goes_on_when_its_packets_move_to_another_queue() -> Outcome {
    let tree = Tree::new()?;
    let content = pattern(10_000);
    tree.file("file", &content)?;
    let network = Network::new(2, 1500)?;
    let served = Served::start(&network, "", tree.root(), &["--shards", "2"])?;
    assert!(served.said()?.contains("on 2 shards"));
    let mut streams = Vec::new();
    for queue in [0, 1] {
        send_by(&network, queue)?;
        for _ in 0..4 {
            let stream = network.connect(SERVER, 80)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            streams.push(stream);
        }
    }
    for queue in [0, 1, 0] {
        send_by(&network, queue)?;
        for stream in &mut streams {
            ask(stream, &content)?;
        }
    }
    // What is nobody's is refused all the same, once it has been at both.
    drop(served);
    for mut stream in streams {
        assert!(ask(&mut stream, &content).is_err());
    }
    Ok(())
}
