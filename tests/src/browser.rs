//! Chromium without a window, told what to do over a pipe in the Chrome DevTools Protocol.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::Outcome;
use crate::tree::Tree;

/// The protocol's own choice: commands come in on descriptor 3, answers go out on 4. `exec` so
/// that the process started is the browser itself.
const START: &str = r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// Flags: no window, no sandbox of its own (it refuses that to root), nothing from the network.
pub const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
];

/// A running browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: String,
    commands: u64,
    _profile: Tree,
}

impl Browser {
    /// Starts the browser and opens `url` in a page of this many pixels.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn open(url: &str, width: u32, height: u32) -> Outcome<Self> {
        let profile = Tree::new()?;
        let mut child = Command::new("sh")
            .args(["-c", START, "sh"])
            .args(FLAGS)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.root().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("the browser has no input")?;
        let output = child.stdout.take().ok_or("the browser has no output")?;
        let output = BufReader::new(output);
        let session = String::new();
        let mut browser = Self { child, input, output, session, commands: 0, _profile: profile };
        let target = browser.command("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.command("Target.attachToTarget", &attach)?;
        browser.session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.command("Emulation.setDeviceMetricsOverride", &size)?;
        browser.command("Page.navigate", &json!({ "url": url }))?;
        Ok(browser)
    }

    /// The value of a JavaScript expression in the page, as text.
    ///
    /// # Errors
    /// When the browser is gone or the expression throws.
    pub fn text(&mut self, expression: &str) -> Outcome<String> {
        let evaluate = json!({ "expression": format!("String({expression})") });
        let answer = self.command("Runtime.evaluate", &evaluate)?;
        match answer["result"]["value"].as_str() {
            Some(text) if answer.get("exceptionDetails").is_none() => Ok(text.to_owned()),
            _ => Err(format!("{expression}: {answer}").into()),
        }
    }

    /// Waits until the expression's value satisfies `wanted`, and gives it.
    ///
    /// # Errors
    /// When it does not within `most`; the message has the last value.
    pub fn wait_for(
        &mut self,
        expression: &str,
        most: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Outcome<String> {
        let start = Instant::now();
        loop {
            let value = self.text(expression);
            match value {
                Ok(value) if wanted(&value) => return Ok(value),
                value if start.elapsed() > most => {
                    return Err(format!("{expression} is {value:?} after {most:?}").into());
                }
                // The page may still be loading.
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// What the page looks like, as a PNG file.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn screenshot(&mut self) -> Outcome<Vec<u8>> {
        let answer = self.command("Page.captureScreenshot", &json!({ "format": "png" }))?;
        Ok(BASE64_STANDARD.decode(answer["data"].as_str().unwrap_or_default())?)
    }

    /// Sends a command and waits for its answer; events in between are passed over.
    fn command(&mut self, method: &str, parameters: &Value) -> Outcome<Value> {
        self.commands += 1;
        let mut message = json!({ "id": self.commands, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input.write_all(message.to_string().as_bytes())?;
        self.input.write_all(b"\0")?;
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes)?;
            if bytes.pop() != Some(0) {
                return Err(format!("the browser ended before it answered {method}").into());
            }
            let answer: Value = serde_json::from_slice(&bytes)?;
            if answer["id"] == json!(self.commands) {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(answer["result"].clone()),
                };
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close it takes its helpers with it; killed it would leave them.
        if self.command("Browser.close", &json!({})).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
