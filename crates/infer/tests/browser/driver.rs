//! A page in headless Chromium: clicks, pointer, keys and the text on display.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::actions::{Actions, InputSource, KeyAction, KeyActions, MouseActions, PointerAction};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use temp_dir::TempDir;

const MISSING: &str = "these tests need Chromium and its driver; on Debian: apt-get install chromium chromium-driver";

/// Time limit for the driver, on a machine with other work.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Allows one browser at a time, since others would distort measured times.
static LOCK: Mutex<()> = Mutex::new(());

/// Opens a page in a browser of its own, tests it, and ends the browser even if the test fails.
pub fn with_page(html: &str, test: impl AsyncFnOnce(&Page)) {
    let folder = TempDir::new().unwrap();
    let file = folder.child("page.html");
    fs::write(&file, html).unwrap();
    with_url(format!("file://{}", file.display()), test);
}

/// Opens the page at a URL, as [`with_page`].
pub fn with_url(url: String, test: impl AsyncFnOnce(&Page)) {
    let _lock = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let driver = Driver::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(connect(&driver, &folder));
    let page = Page { client: client.clone(), url };
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            page.open().await;
            test(&page).await;
        })
    }));
    // The browser outlives its driver unless it is closed.
    let closed = runtime.block_on(client.close());
    if let Err(failure) = outcome {
        panic::resume_unwind(failure);
    }
    closed.unwrap();
}

/// A `chromedriver` on a free port, ended when dropped.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("chromedriver: {error}; {MISSING}"));
        let driver = Self { process, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < TIMEOUT, "chromedriver does not answer; {MISSING}");
            thread::sleep(Duration::from_millis(20));
        }
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The driver may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn connect(driver: &Driver, folder: &TempDir) -> Client {
    let profile = format!("--user-data-dir={}", folder.child("profile").display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--window-size=1440,1000",
        &profile,
    ];
    let mut options = json!({ "args": arguments });
    // The driver looks for Chrome by default.
    if let Some(chromium) = on_path("chromium") {
        options["binary"] = json!(chromium);
    }
    let Value::Object(capabilities) = json!({ "goog:chromeOptions": options }) else { unreachable!() };
    ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{}", driver.port))
        .await
        .unwrap_or_else(|error| panic!("{error}; {MISSING}"))
}

fn on_path(name: &str) -> Option<String> {
    let folders = env::var_os("PATH")?;
    let file = env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file())?;
    Some(file.display().to_string())
}

/// An open page.
pub struct Page {
    client: Client,
    url: String,
}

impl Page {
    /// Opens or reloads the page.
    pub async fn open(&self) {
        self.client.goto(&self.url).await.unwrap();
        self.settle().await;
    }

    async fn find(&self, selector: &str) -> Element {
        self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        self.settle().await;
    }

    /// Moves the pointer onto the middle of an element.
    pub async fn hover(&self, selector: &str) {
        let element = self.find(selector).await;
        self.run("arguments[0].scrollIntoView({ block: 'nearest' })", vec![json!(element)]).await;
        let to = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
        self.client.perform_actions(MouseActions::new("mouse".to_string()).then(to)).await.unwrap();
        self.settle().await;
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keys".to_string()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(Actions::from(keys)).await.unwrap();
        self.settle().await;
    }

    /// Types at the end of an element's text.
    pub async fn write(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        self.settle().await;
    }

    /// Narrows the window to a phone's width, about the minimum of a browser.
    pub async fn narrow(&self) {
        self.client.set_window_size(400, 800).await.unwrap();
        self.settle().await;
    }

    /// Waits until an expression of JavaScript is true.
    pub async fn until(&self, expression: &str) {
        let start = Instant::now();
        while self.value(expression).await != json!(true) {
            assert!(start.elapsed() < TIMEOUT, "{expression} stays false");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.settle().await;
    }

    /// Selects an option of a list.
    pub async fn choose(&self, selector: &str, value: &str) {
        self.find(selector).await.select_by_value(value).await.unwrap();
        self.settle().await;
    }

    /// The text of an element, visible or not.
    pub async fn text(&self, selector: &str) -> String {
        self.value(&format!("document.querySelector('{selector}').textContent")).await.as_str().unwrap().to_string()
    }

    /// The texts of all elements that match.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let texts =
            self.value(&format!("[...document.querySelectorAll('{selector}')].map((e) => e.textContent)")).await;
        serde_json::from_value(texts).unwrap()
    }

    /// The value of a JavaScript expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), Vec::new()).await
    }

    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits for the next frame, in which the page draws.
    async fn settle(&self) {
        let script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))";
        self.client.execute_async(script, Vec::new()).await.unwrap();
    }
}
