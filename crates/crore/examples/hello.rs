//! A web server that greets: `curl http://127.0.0.1:8080/your/name`

use crore::http::{Request, Response, service_fn};
use crore::{Error, Server};

fn greet(request: &Request<'_>) -> Response {
    match request.path {
        "/" => Response::text(200, "Hello!\n"),
        path => Response::text(200, format!("Hello {}!\n", path.trim_start_matches('/'))),
    }
}

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    println!("hello on {address}");
    Server::new().listen(&address).run(|shard| shard.http(service_fn(greet)))
}
