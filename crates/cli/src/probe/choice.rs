//! What the arguments of `crore probe` name: probes, and a server.

use std::net::SocketAddr;

use probe::Probe;

use crate::load::target::Target;
use crate::settings::Problem;

/// The probes of these names, in the order of the report. All of them for `all`, and for a list of
/// everything.
pub(super) fn probes(names: &[String], list: bool) -> Result<Vec<&'static Probe>, Problem> {
    let all = probe::probes();
    if names.is_empty() && !list {
        let problem = Problem::unplaced("nothing to measure was named".to_owned());
        return Err(problem.advise(format!("all, or some of: {}", known(&all))));
    }
    if let Some(name) =
        names.iter().find(|name| *name != "all" && !all.iter().any(|probe| probe.name == *name))
    {
        let problem = Problem::unplaced(format!("there is no probe `{name}`"));
        return Err(problem.advise(format!("known here: all, {}", known(&all))));
    }
    let everything = names.is_empty() || names.iter().any(|name| name == "all");
    let chosen = |probe: &&Probe| everything || names.iter().any(|name| name == probe.name);
    Ok(all.into_iter().filter(chosen).collect())
}

fn known(all: &[&Probe]) -> String {
    all.iter().map(|probe| probe.name).collect::<Vec<_>>().join(", ")
}

/// Measures the server of a URL where one of ours would be. One that may be somebody else's only where
/// that is `allowed`.
pub(super) fn with_server(
    probes: &mut [&'static Probe],
    url: &str,
    allowed: bool,
) -> Result<SocketAddr, Problem> {
    let address = server(url, allowed)?;
    let of_url = probe::http_of_url();
    match probes.iter_mut().find(|probe| probe.name == of_url.name) {
        Some(http) => *http = of_url,
        None => {
            let problem =
                Problem::unplaced(format!("--url {url}: the probe {} is not named", of_url.name));
            return Err(problem.advise("it is the only one that asks a server"));
        }
    }
    Ok(address)
}

/// The address in a URL such as `http://127.0.0.1:8080/`. A path is not wanted: the probe asks for `/`.
fn server(url: &str, allowed: bool) -> Result<SocketAddr, Problem> {
    let mut target = Target::read(url)?;
    if target.secure {
        let problem = Problem::unplaced(format!("--url {url}: https is not asked for"));
        return Err(problem.advise("for example --url http://127.0.0.1:8080"));
    }
    if target.path != "/" {
        let problem = Problem::unplaced(format!("--url {url}: a path is not asked for, only /"));
        return Err(problem.advise("for example --url http://127.0.0.1:8080"));
    }
    target.check(allowed)?;
    target.settle(&[]);
    Ok(target.address)
}

#[cfg(test)]
mod tests {
    use super::{probes, server};

    #[test]
    fn names_are_found_and_put_in_order() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            probes(&names, false)
                .map(|probes| probes.iter().map(|probe| probe.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["reap", "fork"]).unwrap(), ["fork", "reap"]);
        assert_eq!(names(&["all"]).unwrap().len(), probe::probes().len());
        assert!(names(&[]).unwrap_err().to_string().contains("fork"));
        assert!(names(&["frok"]).unwrap_err().to_string().contains("frok"));
    }

    #[test]
    fn a_server_is_the_users_own_unless_told() {
        let at = |url: &str| server(url, false).map(|address| address.to_string());
        assert_eq!(at("http://127.0.0.1:8080/").unwrap(), "127.0.0.1:8080");
        assert_eq!(at("http://[::1]").unwrap(), "[::1]:80");
        assert_eq!(at("http://10.0.0.1").unwrap(), "10.0.0.1:80");
        for wrong in ["http://192.0.2.1/", "http://127.0.0.1/path", "https://127.0.0.1"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        assert!(server("http://192.0.2.1/", true).is_ok());
    }
}
