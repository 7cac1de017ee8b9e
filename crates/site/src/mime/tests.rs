//! Names have the types that browsers expect.

use super::of;

#[test]
fn what_a_site_is_made_of_has_its_type() {
    for (name, expected) in [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b/app.js", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("style.CSS", "text/css; charset=utf-8"),
        ("readme.txt", "text/plain; charset=utf-8"),
        ("readme.md", "text/markdown; charset=utf-8"),
        ("data.json", "application/json"),
        ("app.webmanifest", "application/manifest+json"),
        ("logo.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("favicon.ico", "image/x-icon"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("unknown.qqq", "application/octet-stream"),
        ("no-extension", "application/octet-stream"),
        ("html", "application/octet-stream"),
    ] {
        assert_eq!(of(name.as_bytes()), expected, "{name}");
    }
}
