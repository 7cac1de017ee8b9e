//! What a configuration gets wrong is told, all of it and with its place.

use super::Content;
use crate::config::{Config, ConfigErrors};

fn errors(toml: &str) -> Vec<(String, String)> {
    let config: Config = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    let Err(ConfigErrors(errors)) = config.check() else { panic!("accepted: {toml}") };
    let place = |error: &crate::config::ConfigError| {
        error.span.clone().map_or(String::new(), |span| toml[span].to_owned())
    };
    errors.iter().map(|error| (place(error), error.message.clone())).collect()
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (toml, place, word) in [
        ("[site]\nthreads = 0", "0", "threads"),
        ("[site]\ndefault-host = 'x'\n[[host]]\nnames = ['y']", "'x'", "no host"),
        ("[[host]]\nnames = ['a b']", "'a b'", "host name"),
        ("[[host]]\nnames = ['a:80']", "'a:80'", "without a port"),
        ("[[host]]\nnames = ['*']", "'*'", "host name"),
        ("[[host]]\nnames = ['a', 'A']", "'A'", "twice"),
        ("[[host]]\nnames = ['*.a']\n[[host]]\nnames = ['*.a']", "'*.a'", "twice"),
        ("[[host]]\nnames = ['a']\n[[host]]\nroot = '/r'", "'/r'", "names"),
        ("[[host]]\nindex = ['a/b']", "'a/b'", "file name"),
        ("[[host]]\nspa-fallback = 'x'", "'x'", "path"),
        ("[[host]]\nerror-pages = { 200 = '/x' }", "'/x'", "200"),
        ("[[host]]\nerror-pages = { 404 = '../x' }", "'../x'", "path"),
        ("[site.compression]\nbrotli = 12", "12", "0 to 11"),
        ("[site.compression]\ngzip = 0", "0", "1 to 9"),
        ("[site.compression]\nzstd = 23", "23", "1 to 22"),
        ("[[host]]\nrule = [{ path = '/a[' }]", "'/a['", "pattern"),
        ("[[host]]\nrule = [{ path = '*', headers = { 'a b' = 'x' } }]", "'x'", "header name"),
        ("[[host]]\nrule = [{ path = '*', headers = { Date = 'x' } }]", "'x'", "server itself"),
        (
            "[[host]]\nrule = [{ path = '*', cache-control = \"a\\r\\nb: c\" }]",
            "\"a\\r\\nb: c\"",
            "line breaks",
        ),
        (
            "[[host]]\nrule = [{ path = '*', cors = { origins = ['a.example'] } }]",
            "'a.example'",
            "origin",
        ),
        (
            "[[host]]\nrule = [{ path = '*', cors = { origins = ['*'], credentials = true } }]",
            "'*'",
            "exclude",
        ),
        ("[[host]]\nredirect = [{ from = 'a', to = '/b' }]", "'a'", "slash"),
        ("[[host]]\nredirect = [{ from = '/a*', to = '/b' }]", "'/a*'", "rest"),
        ("[[host]]\nredirect = [{ from = '/a', to = 'b' }]", "'b'", "place"),
        ("[[host]]\nredirect = [{ from = '/a', to = '//b' }]", "'//b'", "place"),
        ("[[host]]\nredirect = [{ from = '/a', to = 'javascript:x' }]", "'javascript:x'", "place"),
        ("[[host]]\nredirect = [{ from = '/a', to = '/:x' }]", "'/:x'", "does not occur"),
        ("[[host]]\nredirect = [{ from = '/a', to = '/b', status = 200 }]", "200", "no redirect"),
        ("[[host]]\nauth = { users = {} }", "", "nobody"),
        ("[[host]]\nauth = { users = { a = 'plain' } }", "'plain'", "hash"),
        ("[[host]]\nauth = { users = { a = '$2b$04$short' } }", "'$2b$04$short'", "hash"),
        ("[[host]]\nauth = { users = { a = '$argon2id$v=19$x' } }", "'$argon2id$v=19$x'", "hash"),
    ] {
        let found = errors(toml);
        assert_eq!(found.len(), 1, "{toml}: {found:?}");
        assert_eq!(found[0].0, place, "{toml}");
        assert!(found[0].1.contains(word), "{toml}: {}", found[0].1);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let toml = "[site]\nthreads = 0\n[site.compression]\ngzip = 10\n[[host]]\nnames = ['a b']";
    assert_eq!(errors(toml).len(), 3);
}

#[test]
fn unknown_settings_are_refused() {
    for toml in ["[site]\nthread = 1", "[[host]]\nname = 'x'", "[site.compression]\nbrotly = 1"] {
        assert!(toml::from_str::<Config>(toml).is_err(), "{toml}");
    }
}

#[test]
fn a_root_that_is_not_there_is_told_with_its_place_when_it_is_opened() {
    let toml = "[[host]]\nroot = '/nonexistent/folder'";
    let config: Config = toml::from_str(toml).unwrap();
    assert_eq!(config.check(), Ok(()));
    let ConfigErrors(errors) = Content::open(&config).unwrap_err();
    assert_eq!(errors[0].span.clone().map(|span| &toml[span]), Some("'/nonexistent/folder'"));
}

#[test]
fn relative_roots_start_where_the_file_is() {
    let toml = "[site]\nroot = 'a'\n[[host]]\nroot = '/b'\n[[host]]\nnames = ['x']\nroot = 'c/d'";
    let mut config: Config = toml::from_str(toml).unwrap();
    config.resolve(std::path::Path::new("/etc/crore"));
    let roots: Vec<_> = config.roots().map(|root| root.to_str().unwrap()).collect();
    assert_eq!(roots, ["/etc/crore/a", "/b", "/etc/crore/c/d"]);
}
