//! A real browser for one test: Debian's Chromium without a window, spoken to over a pipe in its own protocol. It has a
//! profile of its own and ends with the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// A browser starts, and a page is there, within this time, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(10);

/// One window.
pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Json>,
    session: Option<String>,
    asked: u64,
    /// What the page said by itself since it was asked for.
    events: Vec<Json>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    pub fn start() -> Chromium {
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from the file 3 and answers into the file 4. It is started as root by build servers, where it
        // has no sandbox; it opens nothing but our own pages.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (sender, from) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(answer) = serde_json::from_slice(&message) else { return };
                if sender.send(answer).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Chromium { child, to, from, session: None, asked: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attached)["sessionId"].as_str().map(str::to_owned);
        browser.session = session;
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens an address as a screen of this width shows it, in the `light` or `dark` scheme, and waits until it is there.
    pub fn open(&mut self, address: &str, width: u32, scheme: &str) {
        let phone = width < 500;
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": "", "features": features}));
        self.events.clear();
        let navigated = self.call("Page.navigate", json!({"url": address}));
        assert!(navigated.get("errorText").is_none(), "{address}: {navigated}");
        self.loaded(address);
    }

    /// Presses what this selects, and waits until the page it leads to is there.
    pub fn press(&mut self, selector: &str) {
        self.events.clear();
        self.evaluate(&format!("document.querySelector({selector:?}).click()"));
        self.loaded(selector);
    }

    fn loaded(&mut self, what: &str) {
        let started = Instant::now();
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            assert!(started.elapsed() < PATIENCE, "{what} does not load");
            self.receive();
        }
    }

    /// What an expression of the page is; of a promise, what comes of it.
    pub fn evaluate(&mut self, expression: &str) -> Json {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// What the page complained about in the console, and what could not be loaded.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |event: &&Json| {
            let (method, level) = (event["method"].as_str().unwrap(), &event["params"]["entry"]["level"]);
            ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Network.loadingFailed"].contains(&method)
                || (method == "Log.entryAdded" && (level == "error" || level == "warning"))
        };
        self.events.iter().filter(complaint).map(Json::to_string).collect()
    }

    /// The whole page as a PNG image, in base64.
    pub fn picture(&mut self) -> String {
        let taken = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "fromSurface": true}));
        taken["data"].as_str().unwrap().to_owned()
    }

    /// The page as it is printed, as PDF in base64.
    pub fn print(&mut self) -> String {
        let printed = self.call("Page.printToPDF", json!({"preferCSSPageSize": true, "printBackground": false}));
        printed["data"].as_str().unwrap().to_owned()
    }

    /// Shows the page as paper does.
    pub fn show_as_printed(&mut self) {
        let dark = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": "print", "features": dark}));
    }

    fn call(&mut self, method: &str, parameters: Json) -> Json {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let sent = self.to.write_all(message.to_string().as_bytes()).and_then(|()| self.to.write_all(&[0]));
        sent.and_then(|()| self.to.flush()).expect("chromium runs; tests/run installs it");
        loop {
            if let Some(answer) = self.receive().filter(|answer| answer["id"] == self.asked) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// An answer; `None`: it was an event, which is kept.
    fn receive(&mut self) -> Option<Json> {
        let message = self.from.recv_timeout(PATIENCE).expect("chromium answers; tests/run installs it");
        if message.get("id").is_some() {
            return Some(message);
        }
        self.events.push(message);
        None
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It has children of its own, which it takes along, and writes to its profile until it has ended.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let asked = Instant::now();
        while asked.elapsed() < FAREWELL && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
