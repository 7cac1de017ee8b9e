//! Sends back whatever it is sent to an interface's addresses, on crore's own TCP/IP stack: as root,
//! `echo_on_interface eth0 0.0.0.0:7000`. Everything else on the interface stays the kernel's.

use crore::{Cx, Error, Handler, Net, Server, Step, Xdp};

struct Echo;

impl Handler for Echo {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        // What does not fit into the output now stays unconsumed and comes again.
        let echoed = cx.out.put_some(rx);
        if echoed < rx.len() { Step::write(echoed) } else { Step::idle(echoed) }
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let interface = arguments.next().unwrap_or_else(|| "eth0".into());
    let address = arguments.next().unwrap_or_else(|| "0.0.0.0:7000".into());
    println!("echo on {interface}, {address}");
    let net = Net::Xdp(Xdp { interface, generic: false, sources: Vec::new() });
    Server::new().net(net).listen(&address).run(|_shard| Echo)
}
