//! Drives a browser over the Chrome DevTools protocol: JSON over a web socket.
//!
//! Crates that do so know the protocol of the day on which they were made, type by type, and stumble over a browser that
//! is newer. This needs a dozen of its commands, which have not changed in years.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use cartwright_testkit::Chromium;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A page in a browser.
pub(crate) struct Page {
    socket: WebSocketStream<TcpStream>,
    session: String,
    last: u64,
    answers: HashMap<u64, Value>,
    events: VecDeque<Value>,
    _browser: Chromium,
}

impl Page {
    /// A new page in a new browser, which reports what goes wrong.
    pub(crate) async fn open() -> Self {
        let browser = tokio::task::spawn_blocking(|| Chromium::start().unwrap()).await.unwrap();
        let address = browser.url().trim_start_matches("ws://").split('/').next().unwrap().to_owned();
        let stream = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = client_async_with_config(browser.url(), stream, Some(config)).await.unwrap();
        let mut page = Self {
            socket,
            session: String::new(),
            last: 0,
            answers: HashMap::new(),
            events: VecDeque::new(),
            _browser: browser,
        };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = page.call("Target.attachToTarget", attach).await;
        page.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page
    }

    /// Sends a command, and waits for its answer.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut command = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(command.to_string())).await.unwrap();
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
                return answer["result"].clone();
            }
            self.receive().await;
        }
    }

    async fn receive(&mut self) {
        // It says nothing any more, it is gone, it talks nonsense.
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        let message = message.unwrap().unwrap().unwrap();
        let Message::Text(text) = message else { return };
        let value: Value = serde_json::from_str(&text).unwrap();
        match value["id"].as_u64() {
            Some(id) => drop(self.answers.insert(id, value)),
            None => self.events.push_back(value),
        }
    }

    /// What the browser complained of since the last time: errors on the console, exceptions, what a policy has blocked.
    pub(crate) async fn complaints(&mut self) -> Vec<String> {
        // Whatever came before its answer is here then.
        self.value("1").await;
        let is_bad = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => {
                matches!(event["params"]["type"].as_str(), Some("error" | "warning" | "assert"))
            }
            "Log.entryAdded" => {
                matches!(event["params"]["entry"]["level"].as_str(), Some("error" | "warning"))
            }
            "Audits.issueAdded" => event["params"]["issue"]["code"] == "ContentSecurityPolicyIssue",
            _ => false,
        };
        let complaints = self.events.iter().filter(is_bad).map(|event| event["params"].to_string()).collect();
        self.events.clear();
        complaints
    }

    /// What an expression comes to.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression).await != true {
            if Instant::now() > deadline {
                let text = self.value("document.body.innerText").await;
                panic!("it never became true: {expression}\n{}", text.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url})).await;
        self.until(&format!("document.readyState === 'complete' && location.href === {}", json!(url))).await;
    }

    /// Presses a key and lets go of it, as a person does.
    pub(crate) async fn press(&mut self, key: &str) {
        let (key, modifiers) = key.strip_prefix("Shift+").map_or((key, 0), |key| (key, 8));
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, None),
            "Enter" => ("Enter", 13, Some("\r")),
            "Escape" => ("Escape", 27, None),
            " " => ("Space", 32, Some(" ")),
            other => panic!("no such key here: {other}"),
        };
        let kind = if text.is_some() { "keyDown" } else { "rawKeyDown" };
        let mut down = json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
            "modifiers": modifiers});
        if let Some(text) = text {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down.clone()).await;
        down["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", down).await;
    }

    /// Types text into what has the focus.
    pub(crate) async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Goes on with Tab until what has the focus is wanted; fails when that is never so.
    pub(crate) async fn tab_to(&mut self, condition: &str) {
        for _ in 0..300 {
            self.press("Tab").await;
            if self
                .value(&format!(
                    "((it) => !!it && it !== document.body && !!({condition}))(document.activeElement)"
                ))
                .await
                == true
            {
                return;
            }
        }
        panic!("the keyboard never gets to {condition}");
    }

    /// How large the window is, how dense its points are, and whether it is a phone's.
    pub(crate) async fn size(&mut self, width: u32, height: u32, scale: f64, phone: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        self.call("Emulation.setTouchEmulationEnabled", json!({"enabled": phone})).await;
    }

    /// `light` or `dark`.
    pub(crate) async fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// A picture of what is seen, as PNG.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        use base64::Engine as _;
        let shot =
            self.call("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false})).await;
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }
}
