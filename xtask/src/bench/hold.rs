//! Idle keep-alive connections, held by a process of its own, which has descriptors of its own.

use std::env;
use std::io::{BufRead, BufReader, Read, stdin};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rig::client::Client;
use rig::descriptors;

use crate::Outcome;

/// The process that holds them; they close when this is dropped.
pub struct Held {
    child: Child,
}

impl Held {
    /// Opens `count` connections, asks once for `path` over each, and holds them.
    pub fn open(address: SocketAddr, count: usize, path: &str) -> Outcome<Self> {
        let child = Command::new(env::current_exe()?)
            .args(["hold", &address.to_string(), &count.to_string(), path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut held = Self { child };
        let output = held.child.stdout.take().ok_or("the holding process has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line != "ready\n" {
            return Err(format!("cannot hold {count} connections to {address}").into());
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Failing means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the holding process does: opens its connections, says so, and ends when its input does.
pub fn hold(address: &str, count: &str, path: &str) -> Outcome {
    let (address, count): (SocketAddr, usize) = (address.parse()?, count.parse()?);
    descriptors::raise(count as u64 + 100)?;
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(address)?;
        let answer = client.get(path)?;
        if answer.status != 200 {
            return Err(format!("answered {}", answer.status).into());
        }
        clients.push(client);
    }
    println!("ready");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
