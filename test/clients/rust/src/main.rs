//! rmcp: `features ENDPOINT URL TOKEN auto|legacy`. One JSON line for each feature: {"feature", "ok", "detail"}.
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient,
    model::*,
    service::{NotificationContext, PeerRequestOptions, RequestContext, RunningService, ServiceError},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const FEATURE_TIME: Duration = Duration::from_secs(12);
const HEARD_TIME: Duration = Duration::from_secs(5);
const URI: &str = "feature://text";

type Checked = Result<String, String>;

/// What the server told without being asked.
#[derive(Default)]
struct Heard {
    progress: Vec<f64>,
    logs: Vec<String>,
    updates: Vec<String>,
    list_changes: usize,
}

#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Heard>>);

impl Answers {
    fn note(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.0.lock().unwrap())
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[allow(deprecated)]
impl ClientHandler for Answers {
    fn get_info(&self) -> ClientConfig {
        parsed(json!({
            "protocolVersion": "2025-11-25",
            "clientInfo": {"name": "features", "version": "1"},
            "capabilities": {"roots": {"listChanged": true}, "sampling": {}, "elicitation": {}},
        }))
    }
    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(parsed(json!({"role": "assistant", "content": {"type": "text", "text": "four"}, "model": "none"})))
    }
    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///features")]))
    }
    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(parsed(json!({"action": "accept", "content": {"name": "Zoë"}})))
    }
    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.note(|heard| heard.progress.push(note.progress))
    }
    async fn on_logging_message(&self, note: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        self.note(|heard| heard.logs.push(note.data.as_str().unwrap_or_default().to_string()))
    }
    async fn on_resource_updated(&self, note: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.note(|heard| heard.updates.push(note.uri))
    }
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.note(|heard| heard.list_changes += 1)
    }
}

struct Checks {
    session: RunningService<RoleClient, Answers>,
    heard: Arc<Mutex<Heard>>,
    modern: bool,
}

fn tell(feature: &str, checked: Checked) {
    let ok = checked.is_ok();
    let detail: String = checked.unwrap_or_else(|why| why).chars().take(400).collect();
    println!("{}", json!({"feature": feature, "ok": ok, "detail": detail}));
}

fn same<T: PartialEq + std::fmt::Debug>(actual: T, expected: T) -> Result<(), String> {
    if actual == expected {
        return Ok(());
    }
    let shown: String = format!("{actual:?} instead of {expected:?}").chars().take(400).collect();
    Err(shown)
}

async fn until<F: Future<Output = Result<bool, String>>>(what: &str, mut reached: impl FnMut() -> F) -> Result<(), String> {
    let deadline = Instant::now() + HEARD_TIME;
    while !reached().await? {
        if Instant::now() > deadline {
            return Err(format!("waited {HEARD_TIME:?} for {what}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn words(error: ServiceError) -> String {
    error.to_string()
}

fn text_of(value: &Value) -> String {
    value["content"][0]["text"].as_str().unwrap_or_default().to_string()
}

fn params(name: &str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_string()).with_arguments(arguments.as_object().unwrap().clone())
}

impl Checks {
    async fn call(&self, name: &str, arguments: Value) -> Result<Value, String> {
        let result = self.session.call_tool(params(name, arguments)).await.map_err(words)?;
        Ok(serde_json::to_value(result).unwrap())
    }

    async fn answers(&self, tool: &str, arguments: Value, expected: &str) -> Checked {
        same(text_of(&self.call(tool, arguments).await?), expected.to_string())?;
        Ok(String::new())
    }

    async fn fails(&self, tool: &str, expected: &str) -> Checked {
        let message = match self.call(tool, json!({})).await {
            Err(message) => message,
            Ok(result) if result["isError"] == json!(true) => text_of(&result),
            Ok(result) => return Err(format!("answered {result}")),
        };
        if message.contains(expected) { Ok(message) } else { Err(message) }
    }

    fn heard<T>(&self, ask: impl FnOnce(&Heard) -> T) -> T {
        ask(&self.heard.lock().unwrap())
    }

    async fn tools(&self) -> Checked {
        let tools = self.session.list_all_tools().await.map_err(words)?;
        same(tools.iter().any(|tool| tool.name == "echo"), true)?;
        Ok(String::new())
    }

    async fn structured(&self) -> Checked {
        let result = self.call("sum", json!({"a": 1, "b": 2})).await?;
        same(result["structuredContent"].clone(), json!({"sum": 3}))?;
        Ok(String::new())
    }

    async fn parallel(&self) -> Checked {
        let mut calls = tokio::task::JoinSet::new();
        for at in 0..20 {
            let peer = self.session.peer().clone();
            calls.spawn(async move {
                let text = format!("p{at}");
                let result = peer.call_tool(params("echo", json!({"text": text}))).await.map_err(words)?;
                same(text_of(&serde_json::to_value(result).unwrap()), text)
            });
        }
        while let Some(done) = calls.join_next().await {
            done.map_err(|error| error.to_string())??;
        }
        Ok(String::new())
    }

    async fn progress(&self) -> Checked {
        self.answers("count", json!({}), "counted").await?;
        // Handlers of notifications run side by side in this library, so the order of the wire is lost on the way.
        let steps = |heard: &Heard| {
            let mut steps = heard.progress.clone();
            steps.sort_by(f64::total_cmp);
            steps
        };
        until("three steps", || async { Ok(self.heard(steps) == [1.0, 2.0, 3.0]) }).await?;
        Ok(String::new())
    }

    async fn cancel(&self) -> Checked {
        let key = format!("{}-{:?}", std::process::id(), std::time::SystemTime::now());
        let key: String = key.chars().filter(char::is_ascii_digit).collect();
        let request = ClientRequest::CallToolRequest(Request::new(params("wait", json!({"key": key}))));
        let options = PeerRequestOptions::no_options();
        let call = self.session.send_cancellable_request(request, options).await.map_err(words)?;
        let is_now = async |word: &str| Ok(text_of(&self.call("waited", json!({"key": key})).await?) == word);
        until("the call to begin", || is_now("begun")).await?;
        call.cancel(Some("enough".into())).await.map_err(words)?;
        until("the server to hear of it", || is_now("cancelled")).await?;
        Ok(String::new())
    }

    #[allow(deprecated)]
    async fn logging(&self) -> Checked {
        let mut request = params("log", json!({}));
        if self.modern {
            request.meta = Some(parsed(json!({"io.modelcontextprotocol/logLevel": "debug"})));
        } else {
            self.session.set_level(parsed(json!({"level": "debug"}))).await.map_err(words)?;
        }
        until("the log message", || async {
            let logged = || self.heard(|heard| heard.logs.iter().any(|line| line == "logged: ünï"));
            if !logged() {
                self.session.call_tool(request.clone()).await.map_err(words)?;
            }
            Ok(logged())
        })
        .await?;
        Ok(String::new())
    }

    async fn resources(&self) -> Checked {
        let resources = self.session.list_all_resources().await.map_err(words)?;
        same(resources.iter().any(|resource| resource.uri == URI), true)?;
        let read = self.session.read_resource(ReadResourceRequestParams::new(URI)).await.map_err(words)?;
        same(serde_json::to_value(read).unwrap()["contents"][0]["text"].clone(), json!("text: ünï"))?;
        Ok(String::new())
    }

    /// Does it until it is heard of: a notification of no request may come before the client's stream is open.
    async fn repeat(&self, tool: &str, reached: impl Fn(&Heard) -> bool) -> Checked {
        until(tool, || async {
            if !self.heard(&reached) {
                self.call(tool, json!({})).await?;
            }
            Ok(self.heard(&reached))
        })
        .await?;
        Ok(String::new())
    }

    #[allow(deprecated)]
    async fn subscribe(&self) -> Checked {
        if !self.modern {
            self.session.subscribe(parsed(json!({"uri": URI}))).await.map_err(words)?;
        }
        self.repeat("touch", |heard| heard.updates.iter().any(|uri| uri == URI)).await
    }

    async fn prompts(&self) -> Checked {
        let prompts = self.session.list_all_prompts().await.map_err(words)?;
        same(prompts.iter().any(|prompt| prompt.name == "greet"), true)?;
        let request = parsed(json!({"name": "greet", "arguments": {"name": "Zoë"}}));
        let prompt = self.session.get_prompt(request).await.map_err(words)?;
        same(serde_json::to_value(prompt).unwrap()["messages"][0]["content"]["text"].clone(), json!("Hello Zoë"))?;
        Ok(String::new())
    }

    async fn completion(&self) -> Checked {
        let values = self
            .session
            .complete_prompt_simple("greet", "name", "pa")
            .await
            .map_err(words)?;
        same(values, vec!["paris".to_string(), "parma".to_string()])?;
        Ok(String::new())
    }

    /// The message of the gateway reaches the user, and the next call of the session works.
    async fn crash(&self) -> Checked {
        let message = self.fails("die", "exit").await.map_err(|why| format!("no reason in: {why}"))?;
        self.answers("echo", json!({"text": "again"}), "again").await?;
        Ok(message)
    }
}

async fn attempt(feature: &str, check: impl Future<Output = Checked>) {
    let skipped = std::env::var("SKIPPED").unwrap_or_default();
    if skipped.split(' ').any(|one| one == feature) {
        return;
    }
    let checked = tokio::time::timeout(FEATURE_TIME, check).await;
    tell(feature, checked.unwrap_or_else(|_| Err(format!("no end within {FEATURE_TIME:?}"))));
}

async fn check(checks: &Checks) {
    let unicode = "ünï 漢字 😀 \u{2028} \"q\" </script>";
    attempt("tools", checks.tools()).await;
    attempt("call", checks.answers("echo", json!({"text": "hello"}), "hello")).await;
    attempt("unicode", checks.answers("echo", json!({"text": unicode}), unicode)).await;
    attempt("structured", checks.structured()).await;
    attempt("big_result", checks.answers("big", json!({}), &"é".repeat(500_000))).await;
    attempt("parallel", checks.parallel()).await;
    attempt("tool_error", checks.fails("refuse", "refused: bäd")).await;
    attempt("protocol_error", checks.fails("break", "broken: bäd")).await;
    attempt("progress", checks.progress()).await;
    attempt("cancel", checks.cancel()).await;
    attempt("logging", checks.logging()).await;
    attempt("resources", checks.resources()).await;
    attempt("subscribe", checks.subscribe()).await;
    attempt("prompts", checks.prompts()).await;
    attempt("completion", checks.completion()).await;
    attempt("elicitation", checks.answers("ask_form", json!({}), "accept Zoë")).await;
    attempt("sampling", checks.answers("ask_model", json!({}), "four")).await;
    attempt("roots", checks.answers("ask_roots", json!({}), "file:///features")).await;
    attempt("list_changed", checks.repeat("grow", |heard| heard.list_changes > 0)).await;
    attempt("crash", checks.crash()).await;
}

/// Notifications of a listen request do not pass through the handler.
async fn listen(checks: &Checks) -> Result<(), String> {
    let filter = SubscriptionFilter::builder().tools_list_changed().resource_subscriptions([URI]).build();
    let mut events = checks.session.listen(filter).await.map_err(words)?;
    let heard = checks.heard.clone();
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.next().await {
            let mut heard = heard.lock().unwrap();
            match event {
                ServerNotification::ToolListChangedNotification(_) => heard.list_changes += 1,
                ServerNotification::ResourceUpdatedNotification(note) => heard.updates.push(note.params.uri),
                _ => {}
            }
        }
    });
    Ok(())
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    let (url, token, era) = (&arguments[2], &arguments[3], &arguments[4]);
    let config = StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(token);
    let lifecycle = match era.as_str() {
        "auto" => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        _ => ClientLifecycleMode::Initialize,
    };
    let answers = Answers::default();
    let heard = answers.0.clone();
    let transport = StreamableHttpClientTransport::from_config(config);
    let session = match answers.serve_with_lifecycle(transport, lifecycle).await {
        Ok(session) => session,
        Err(error) => return tell("initialize", Err(error.to_string())),
    };
    let info = serde_json::to_value(session.peer_info()).unwrap();
    let version = info["protocolVersion"].as_str().unwrap_or_default().to_string();
    let checks = Checks { session, heard, modern: version.as_str() > "2026" };
    tell("initialize", Ok(version));
    if checks.modern {
        if let Err(why) = listen(&checks).await {
            eprintln!("listen: {why}");
        }
    }
    check(&checks).await;
    std::process::exit(0);
}
