//! Opens many connections, says a line on each, and counts the answers: `knock 127.0.0.1:7000 1000`

use crore::{Client, Cx, Dial, DialError, End, Error, Handler, Instant, Step};
use std::{net::SocketAddr, sync::mpsc, time::Duration};

struct Knock(SocketAddr, usize, mpsc::Sender<bool>);
impl Handler for Knock {
    type Conn = bool; // whether there was an answer
    fn dial(&mut self, _: Instant) -> Option<Dial<bool>> {
        self.1 = self.1.checked_sub(1)?;
        Some(Dial::new(self.0, false))
    }
    fn dial_at(&self) -> Option<Instant> {
        (self.1 > 0).then_some(Instant::ZERO) // at once
    }
    fn undialled(&mut self, _: Instant, _: bool, _: DialError) {
        let _ = self.2.send(false);
    }
    fn open(&mut self, cx: &mut Cx<'_, bool>) -> Step {
        let _ = cx.out.put(b"is anybody there?\n");
        Step::read(0).within(Duration::from_secs(5)) // then it is aborted
    }
    fn data(&mut self, cx: &mut Cx<'_, bool>, rx: &[u8]) -> Step {
        *cx.conn = !rx.is_empty();
        Step::close()
    }
    fn end(&mut self, cx: &mut Cx<'_, bool>, _: End) {
        let _ = self.2.send(*cx.conn);
    }
}

fn main() -> Result<(), Error> {
    let arg = |index| std::env::args().nth(index).expect("knock IP:PORT COUNT");
    let (to, count) = (arg(1).parse().expect("IP:PORT"), arg(2).parse().expect("a number"));
    let (tell, told) = mpsc::channel();
    let _client = Client::new().shards(1).start(move |_| Knock(to, count, tell.clone()))?;
    println!("{} of {count} answered", told.iter().take(count).filter(|yes| *yes).count());
    Ok(())
}
