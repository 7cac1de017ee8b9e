//! What a host's rules, redirects, pages and passwords do.

mod harness;

use harness::{World, write_all};

fn world(host: &str, files: &[(&str, &[u8])]) -> World {
    let toml = format!("[[host]]\nroot = 'ROOT'\n{host}");
    World::new(&toml, |root| write_all(root, files))
}

#[test]
fn later_rules_win_setting_by_setting() {
    let rules = "
        [[host.rule]]
        path = '/assets/**'
        cache-control = 'public, max-age=31536000, immutable'
        headers = { X-Frame-Options = 'DENY', X-Other = 'one' }
        [[host.rule]]
        path = '*.html'
        cache-control = 'no-cache'
        [[host.rule]]
        path = '/assets/*.txt'
        content-type = 'text/x-special'
        headers = { x-other = 'two' }
    ";
    let files: [(&str, &[u8]); 4] =
        [("assets/a.txt", b"x"), ("assets/d/b.txt", b"x"), ("index.html", b"x"), ("c.txt", b"x")];
    let mut world = world(rules, &files);
    let first = world.get("/assets/a.txt");
    assert_eq!(first.header("Cache-Control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(first.header("Content-Type"), Some("text/x-special"));
    assert_eq!(
        (first.header("X-Frame-Options"), first.header("X-Other")),
        (Some("DENY"), Some("two"))
    );
    let deeper = world.get("/assets/d/b.txt");
    assert_eq!(deeper.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(deeper.header("X-Other"), Some("one"));
    // The file that stands for a folder counts by its own name.
    assert_eq!(world.get("/").header("Cache-Control"), Some("no-cache"));
    assert_eq!(world.get("/c.txt").header("Cache-Control"), None);
    // A rule's headers are on every answer, also on those that are no files.
    assert_eq!(world.get("/assets/nothing").header("X-Frame-Options"), Some("DENY"));
    assert_eq!(world.get("/assets/d").header("X-Frame-Options"), Some("DENY"));
    let tag = first.header("ETag").unwrap().to_owned();
    let not_modified = world.get_with("/assets/a.txt", &[("If-None-Match", &tag)]);
    assert_eq!(not_modified.header("Cache-Control"), Some("public, max-age=31536000, immutable"));
}

#[test]
fn redirects_by_exact_path_name_and_rest() {
    let redirects = "
        redirect = [
          { from = '/old', to = '/new' },
          { from = '/gone/*', to = 'https://archive.example:8443/all/*', status = 308 },
          { from = '/news/:year/:title', to = '/:title/of/:year?from=news', status = 302 },
          { from = '/über', to = '/about' },
          { from = '/file.txt', to = '/elsewhere' },
        ]
    ";
    let mut world = world(redirects, &[("file.txt", b"x"), ("new", b"x")]);
    for (path, status, location) in [
        ("/old", 301, "/new"),
        ("/old/", 301, "/new"),
        ("/%6fld?a=1", 301, "/new?a=1"),
        ("/gone/", 308, "https://archive.example:8443/all/"),
        ("/gone", 308, "https://archive.example:8443/all/"),
        ("/gone/a%20b/c?d", 308, "https://archive.example:8443/all/a%20b/c?d"),
        ("/gone//evil.example/", 308, "https://archive.example:8443/all/evil.example/"),
        ("/news/2026/hello?x=1", 302, "/hello/of/2026?from=news"),
        ("/%C3%BCber", 301, "/about"),
        ("/file.txt", 301, "/elsewhere"),
        ("/news/2026/a%0d%0aSet-Cookie:%20x", 302, "/a%0D%0ASet-Cookie:%20x/of/2026?from=news"),
    ] {
        let answer = world.get(path);
        assert_eq!((answer.status, answer.header("Location")), (status, Some(location)), "{path}");
    }
    for path in ["/older", "/old/x", "/news/2026", "/news/2026/a/b", "/Old"] {
        assert_eq!(world.get(path).status, 404, "{path}");
    }
    assert_eq!(world.get("/new").status, 200);
}

#[test]
fn error_pages_of_the_site_take_the_place_of_the_plain_ones() {
    let pages = "error-pages = { 404 = '/errors/404.html', 403 = '/missing.html' }";
    let files: [(&str, &[u8]); 2] = [("errors/404.html", b"nothing here"), ("d/x", b"x")];
    let mut world = world(pages, &files);
    for _ in 0..2 {
        let answer = world.get("/nothing");
        assert_eq!((answer.status, answer.text().as_str()), (404, "nothing here"));
        assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!((answer.header("ETag"), answer.header("Last-Modified")), (None, None));
        assert_eq!(answer.header("Accept-Ranges"), None);
    }
    // Conditions and ranges are about what was asked for, not about the page for the error.
    let answer = world.get_with("/nothing", &[("Range", "bytes=0-1"), ("If-None-Match", "*")]);
    assert_eq!((answer.status, answer.text().as_str()), (404, "nothing here"));
    // A page that is missing itself gives way to the plain one.
    let answer = world.get("/d/");
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("<h1>Forbidden</h1>"));
    assert_eq!(world.get("/errors/404.html").status, 200);
}

#[test]
fn an_application_that_routes_in_the_browser_gets_its_page() {
    let files: [(&str, &[u8]); 3] = [("index.html", b"app"), ("app.js", b"js"), ("d/x", b"x")];
    let mut world = world("spa-fallback = '/index.html'", &files);
    let browser = [("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")];
    for path in ["/", "/users/1", "/users/", "/a/b/c", "/d/"] {
        let answer = world.get_with(path, &browser);
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"), "{path}");
    }
    assert_eq!(world.get("/users/1").text(), "app");
    assert_eq!(world.get_with("/app.js", &browser).text(), "js");
    // What a script or a page's tags ask for is there or it is not.
    assert_eq!(world.get_with("/missing.js", &browser).status, 404);
    assert_eq!(world.get_with("/api/users", &[("Accept", "application/json")]).status, 404);
    let fetched = [("Accept", "*/*"), ("Sec-Fetch-Mode", "cors")];
    assert_eq!(world.get_with("/api/users", &fetched).status, 404);
    assert_eq!(world.get_with("/.env", &browser).status, 404);
}

#[test]
fn scripts_of_other_sites_read_what_a_rule_lets_them() {
    let rules = "
        [[host.rule]]
        path = '/open/**'
        cors = { origins = ['*'], expose = ['ETag'] }
        [[host.rule]]
        path = '/some/**'
        cors = { origins = ['https://a.example', 'https://b.example'], credentials = true, \
                 headers = ['X-Token'], max-age = 60 }
    ";
    let files: [(&str, &[u8]); 3] = [("open/a", b"x"), ("some/a", b"x"), ("closed", b"x")];
    let mut world = world(rules, &files);
    let allowed = "Access-Control-Allow-Origin";
    for _ in 0..2 {
        let answer = world.get_with("/open/a", &[("Origin", "https://x.example")]);
        assert_eq!((answer.header(allowed), answer.header("Vary")), (Some("*"), None));
        assert_eq!(answer.header("Access-Control-Expose-Headers"), Some("ETag"));
        for origin in ["https://a.example", "https://b.example"] {
            let answer = world.get_with("/some/a", &[("Origin", origin)]);
            assert_eq!(answer.header(allowed), Some(origin));
            assert_eq!(answer.header("Access-Control-Allow-Credentials"), Some("true"));
            assert_eq!(answer.header("Vary"), Some("Origin"));
        }
        for origin in
            ["https://a.example.evil", "https://a.example:8080", "null", "HTTPS://A.EXAMPLE"]
        {
            let answer = world.get_with("/some/a", &[("Origin", origin)]);
            assert_eq!((answer.status, answer.header(allowed)), (200, None), "{origin}");
            assert_eq!(answer.header("Vary"), Some("Origin"), "{origin}");
        }
        assert_eq!(world.get("/some/a").header(allowed), None);
        assert_eq!(
            world.get_with("/closed", &[("Origin", "https://a.example")]).header(allowed),
            None
        );
        let missing = world.get_with("/some/nothing", &[("Origin", "https://a.example")]);
        assert_eq!((missing.status, missing.header(allowed)), (404, Some("https://a.example")));
    }
    let preflight = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "x-token"),
    ];
    let answer = world.send("OPTIONS", "/some/a", &preflight);
    assert_eq!((answer.status, answer.header(allowed)), (204, Some("https://a.example")));
    assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("GET, HEAD"));
    assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("X-Token"));
    assert_eq!(answer.header("Access-Control-Max-Age"), Some("60"));
    let stranger = [("Origin", "https://x.example"), ("Access-Control-Request-Method", "GET")];
    let answer = world.send("OPTIONS", "/some/a", &stranger);
    assert_eq!(
        (answer.header(allowed), answer.header("Access-Control-Allow-Methods")),
        (None, None)
    );
}

/// `U*U`, from the test vectors that crypt_blowfish came with.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn basic(user_and_password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user_and_password))
}

fn hashed(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

#[test]
fn a_host_is_for_those_with_a_password() {
    let secret = hashed("secret");
    let auth = format!("auth = {{ realm = 'The \"back\" room', users = {{ ada = '{secret}' }} }}");
    let mut world = world(&auth, &[("a.txt", b"hello"), ("d/x", b"x")]);
    for path in ["/a.txt", "/nothing", "/d"] {
        let answer = world.get(path);
        assert_eq!(answer.status, 401, "{path}");
        let challenge = "Basic realm=\"The \\\"back\\\" room\", charset=\"UTF-8\"";
        assert_eq!(answer.header("WWW-Authenticate"), Some(challenge));
    }
    let right = basic("ada:secret");
    for _ in 0..3 {
        let answer = world.get_with("/a.txt", &[("Authorization", &right)]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        for wrong in ["ada:Secret", "ada:", "ada:secret2", "eve:secret", ":secret", "ada", ""] {
            let answer = world.get_with("/a.txt", &[("Authorization", &basic(wrong))]);
            assert_eq!(answer.status, 401, "{wrong}");
        }
        for wrong in ["Basic", "Basic !!!", "Bearer x", "", "basicYWRhOnNlY3JldA=="] {
            let answer = world.get_with("/a.txt", &[("Authorization", wrong)]);
            assert_eq!(answer.status, 401, "{wrong}");
        }
        let twice = [("Authorization", right.as_str()), ("Authorization", right.as_str())];
        assert_eq!(world.get_with("/a.txt", &twice).status, 401);
        assert_eq!(world.get("/a.txt").status, 401);
    }
    let lower = right.replace("Basic", "bAsIc");
    assert_eq!(world.get_with("/a.txt", &[("Authorization", &lower)]).status, 200);
    // A password that was right once is not hashed again.
    assert!(world.begin("GET", "/a.txt", &[("Authorization", &right)]).is_ok());
    assert_eq!(world.send("OPTIONS", "/a.txt", &[]).status, 204);
}

#[test]
fn some_paths_are_for_those_with_a_password_however_they_are_spelt() {
    let secret = hashed("secret");
    let rules = format!(
        "
        [[host.rule]]
        path = '/admin/**'
        auth = {{ users = {{ ada = '{secret}' }} }}
        [[host.rule]]
        path = '/room/index.html'
        auth = {{ users = {{ bob = '{secret}' }} }}
        "
    );
    let files: [(&str, &[u8]); 3] =
        [("admin/a", b"secret"), ("room/index.html", b"secret"), ("open", b"open")];
    let mut world = world(&rules, &files);
    for _ in 0..2 {
        for path in
            ["/admin/a", "/%61dmin/a", "//admin/a", "/x/../admin/a", "/admin//a", "/./admin/a"]
        {
            assert_eq!(world.get(path).status, 401, "{path}");
        }
        // The rule is about the file, and holds where the file stands for its folder.
        for path in ["/room/index.html", "/room/"] {
            assert_eq!(world.get(path).status, 401, "{path}");
            let ada = basic("ada:secret");
            assert_eq!(world.get_with(path, &[("Authorization", &ada)]).status, 401, "{path}");
            let bob = basic("bob:secret");
            assert_eq!(world.get_with(path, &[("Authorization", &bob)]).status, 200, "{path}");
        }
        assert_eq!(world.get("/open").text(), "open");
    }
}

#[test]
fn passwords_are_hashed_by_bcrypt_or_argon2() {
    use argon2::PasswordHasher;
    let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cheap);
    let hash = argon.hash_password_with_salt(b"secret", b"some salt of ours").unwrap();
    let auth = format!("auth = {{ users = {{ ada = '{hash}', bob = '{BCRYPT}' }} }}");
    let mut world = world(&auth, &[("a.txt", b"hello")]);
    for (who, status) in
        [("ada:secret", 200), ("bob:U*U", 200), ("ada:other", 401), ("bob:U*u", 401)]
    {
        let answer = world.get_with("/a.txt", &[("Authorization", &basic(who))]);
        assert_eq!(answer.status, status, "{who}");
    }
}
