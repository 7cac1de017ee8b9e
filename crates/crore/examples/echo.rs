//! Sends back whatever it is sent.

use crore::{Cx, Error, Handler, Server, Step};

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
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".into());
    println!("echo on {address}");
    Server::new().listen(&address).run(|_shard| Echo)
}
