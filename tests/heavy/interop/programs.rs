//! A browser and h2load from the client's host, on every kind of link.

use std::process::Stdio;

use rig::Outcome;
use rig::browser;
use rig::netns::Network;
use rig::tree::Tree;

use super::KINDS;

/// A page that is only right once its script has had its answers.
const PAGE: &str = r#"<!doctype html><title>t</title><link rel=stylesheet href=style.css>
<p id=said>nothing yet</p>
<script type=module>
import { words } from './words.js';
const parts = await Promise.all(words.map(word => fetch(word + '.txt').then(r => r.text())));
document.getElementById('said').textContent = parts.join(' ');
</script>
"#;

#[test]
#[ignore = "needs root, chromium, h2load: cargo xtask heavy"]
fn a_browser_and_h2load_are_served() -> Outcome {
    let tree = Tree::new()?;
    tree.file("index.html", PAGE)?;
    tree.file("style.css", "p { color: green }")?;
    tree.file("words.js", "export const words = ['ten', 'million', 'connections'];")?;
    for word in ["ten", "million", "connections"] {
        tree.file(&format!("{word}.txt"), word)?;
    }
    tree.file("small", "x".repeat(1024))?;
    for (link, queues) in KINDS {
        let network = Network::new(queues.into(), 1500)?;
        link.prepare(&network, queues)?;
        let crore = link.serve(&network, queues, tree.root(), &[])?;
        let url = format!("http://{}", link.addresses()[0]);
        let profile = Tree::new()?;
        let mut chromium = network.on_client("chromium");
        chromium.args(browser::FLAGS).args(["--disable-quic", "--disable-sync", "--dump-dom"]);
        chromium.args(["--virtual-time-budget=20000", "--timeout=30000"]);
        chromium.arg(format!("--user-data-dir={}", profile.root().display())).arg(&url);
        let shown = chromium.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("ten million connections"), "{link:?}, {queues} queues:\n{shown}");
        let text = network.client(&format!("h2load --h1 -n 3000 -c 30 -m 4 {url}/small"))?;
        let said = crore.printed()?;
        assert!(
            text.contains("3000 succeeded, 0 failed"),
            "{link:?}, {queues} queues:\n{text}\n{said}"
        );
    }
    Ok(())
}
