import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.McpSyncClient;
import io.modelcontextprotocol.client.transport.HttpClientSseClientTransport;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.spec.McpClientTransport;
import io.modelcontextprotocol.spec.McpSchema.*;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.io.PrintStream;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;

/** The official Java SDK: Features ENDPOINT URL TOKEN. One JSON line for each feature: {"feature", "ok", "detail"}. */
public class Features {
  static final int FEATURE_SECONDS = 12;
  static final int HEARD_SECONDS = 5;
  static final String RESOURCE = "feature://text";
  static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static final ExecutorService POOL = Executors.newCachedThreadPool();
  static final Set<String> SKIPPED = Set.of(Optional.ofNullable(System.getenv("SKIPPED")).orElse("").split(" "));

  final List<Double> progress = new CopyOnWriteArrayList<>();
  final List<String> logs = new CopyOnWriteArrayList<>();
  final List<String> updates = new CopyOnWriteArrayList<>();
  final List<Object> listChanges = new CopyOnWriteArrayList<>();
  McpSyncClient client;

  interface Check {
    String run() throws Exception;
  }

  static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.substring(0, Math.min(400, text.length())).toCharArray()) {
      if (c == '"' || c == '\\') json.append('\\').append(c);
      else if (c < ' ' || c > '~') json.append(String.format("\\u%04x", (int) c));
      else json.append(c);
    }
    return json.append('"').toString();
  }

  static void tell(String feature, boolean ok, String detail) {
    OUT.println("{\"feature\":" + quoted(feature) + ",\"ok\":" + ok + ",\"detail\":" + quoted(detail) + "}");
  }

  /** The message of an error, and of those that caused it. */
  static String reasonOf(Throwable error) {
    Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
    String words = cause.getClass().getSimpleName() + ": " + cause.getMessage();
    Throwable inner = cause.getCause();
    return inner == null || inner == cause ? words : words + " <- " + reasonOf(inner);
  }

  static boolean attempt(String feature, Check check) {
    if (SKIPPED.contains(feature)) return true;
    Future<String> running = POOL.submit(check::run);
    try {
      tell(feature, true, running.get(FEATURE_SECONDS, TimeUnit.SECONDS));
      return true;
    } catch (Exception error) {
      running.cancel(true);
      tell(feature, false, reasonOf(error));
      return false;
    }
  }

  static String same(Object actual, Object expected) {
    if (Objects.equals(actual, expected)) return "";
    String shown = String.valueOf(actual);
    throw new IllegalStateException(shown.substring(0, Math.min(200, shown.length())) + " instead of " + expected);
  }

  static String until(String what, BooleanSupplier reached) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(HEARD_SECONDS);
    while (!reached.getAsBoolean()) {
      if (System.nanoTime() > deadline) throw new IllegalStateException("waited " + HEARD_SECONDS + " s for " + what);
      Thread.sleep(20);
    }
    return "";
  }

  CallToolResult call(String name, Map<String, Object> arguments) {
    return client.callTool(new CallToolRequest(name, arguments));
  }

  static String textOf(CallToolResult result) {
    return ((TextContent) result.content().get(0)).text();
  }

  String answers(String tool, Map<String, Object> arguments, String expected) {
    return same(textOf(call(tool, arguments)), expected);
  }

  /** The text with which a call fails, however the library shows it. */
  String fails(String tool, String expected) {
    String message;
    try {
      CallToolResult result = call(tool, Map.of());
      if (!Boolean.TRUE.equals(result.isError())) throw new IllegalStateException("answered " + textOf(result));
      message = textOf(result);
    } catch (IllegalStateException wrong) {
      throw wrong;
    } catch (Exception error) {
      message = reasonOf(error);
    }
    if (!message.contains(expected)) throw new IllegalStateException("no reason in: " + message);
    return message;
  }

  /** Does it until it is heard of: a notification of no request may come before the client's stream is open. */
  String repeat(String tool, BooleanSupplier heard) throws InterruptedException {
    return until("the notification of " + tool, () -> {
      if (!heard.getAsBoolean()) call(tool, Map.of());
      return heard.getAsBoolean();
    });
  }

  String parallel() throws Exception {
    List<Future<String>> calls = new ArrayList<>();
    for (int at = 0; at < 20; at++) {
      String words = "p" + at;
      calls.add(POOL.submit(() -> answers("echo", Map.of("text", words), words)));
    }
    for (Future<String> one : calls) one.get();
    return "";
  }

  String counted() throws Exception {
    CallToolRequest request = new CallToolRequest("count", Map.of(), Map.of("progressToken", "steps"));
    same(textOf(client.callTool(request)), "counted");
    return until("three steps, not " + progress, () -> progress.equals(List.of(1.0, 2.0, 3.0)));
  }

  String completed() {
    var argument = new CompleteRequest.CompleteArgument("name", "pa");
    return same(client.completeCompletion(new CompleteRequest(new PromptReference("greet"), argument)).completion().values(),
        List.of("paris", "parma"));
  }

  String read() {
    same(client.listResources().resources().stream().anyMatch(one -> one.uri().equals(RESOURCE)), true);
    var contents = client.readResource(new ReadResourceRequest(RESOURCE)).contents();
    return same(((TextResourceContents) contents.get(0)).text(), "text: ünï");
  }

  String prompted() {
    same(client.listPrompts().prompts().stream().anyMatch(one -> one.name().equals("greet")), true);
    var messages = client.getPrompt(new GetPromptRequest("greet", Map.of("name", "Zoë"))).messages();
    return same(((TextContent) messages.get(0).content()).text(), "Hello Zoë");
  }

  /** The message of the gateway reaches the user, and the next call of the session works. */
  String crashed() {
    String message = fails("die", "exit");
    answers("echo", Map.of("text", "again"), "again");
    return message;
  }

  /** A call cannot be cancelled through this SDK. */
  void check() {
    String unicode = "ünï 漢字 😀 \u2028 \"q\" </script>";
    attempt("tools", () -> same(client.listTools().tools().stream().anyMatch(one -> one.name().equals("echo")), true));
    attempt("call", () -> answers("echo", Map.of("text", "hello"), "hello"));
    attempt("unicode", () -> answers("echo", Map.of("text", unicode), unicode));
    attempt("structured", () -> same(call("sum", Map.of("a", 1, "b", 2)).structuredContent(), Map.of("sum", 3)));
    attempt("big_result", () -> answers("big", Map.of(), "é".repeat(500_000)));
    attempt("parallel", this::parallel);
    attempt("tool_error", () -> fails("refuse", "refused: bäd"));
    attempt("protocol_error", () -> fails("break", "broken: bäd"));
    attempt("progress", this::counted);
    attempt("logging", () -> {
      client.setLoggingLevel(LoggingLevel.DEBUG);
      return repeat("log", () -> logs.contains("logged: ünï"));
    });
    attempt("resources", this::read);
    attempt("subscribe", () -> {
      client.subscribeResource(new SubscribeRequest(RESOURCE));
      return repeat("touch", () -> updates.contains(RESOURCE));
    });
    attempt("prompts", this::prompted);
    attempt("completion", this::completed);
    attempt("elicitation", () -> answers("ask_form", Map.of(), "accept Zoë"));
    attempt("sampling", () -> answers("ask_model", Map.of(), "four"));
    attempt("roots", () -> answers("ask_roots", Map.of(), "file:///features"));
    attempt("list_changed", () -> repeat("grow", () -> !listChanges.isEmpty()));
    attempt("crash", this::crashed);
  }

  void open(String endpoint, String url, String token) {
    HttpRequest.Builder requests = HttpRequest.newBuilder().header("Authorization", "Bearer " + token);
    URI at = URI.create(url);
    String base = at.getScheme() + "://" + at.getAuthority();
    McpClientTransport transport = endpoint.equals("sse")
        ? HttpClientSseClientTransport.builder(base).sseEndpoint(at.getPath()).requestBuilder(requests).build()
        : HttpClientStreamableHttpTransport.builder(base).endpoint(at.getPath()).requestBuilder(requests).build();
    client = McpClient.sync(transport)
        .requestTimeout(Duration.ofSeconds(FEATURE_SECONDS))
        .initializationTimeout(Duration.ofSeconds(FEATURE_SECONDS))
        .capabilities(ClientCapabilities.builder().roots(true).sampling().elicitation().build())
        .roots(new Root("file:///features", "features"))
        .sampling(r -> new CreateMessageResult(Role.ASSISTANT, new TextContent("four"), "none", CreateMessageResult.StopReason.END_TURN))
        .elicitation(r -> new ElicitResult(ElicitResult.Action.ACCEPT, Map.of("name", "Zoë")))
        .toolsChangeConsumer(listChanges::add)
        .resourcesUpdateConsumer(contents -> contents.forEach(one -> updates.add(one.uri())))
        .loggingConsumer(note -> logs.add(String.valueOf(note.data())))
        .progressConsumer(note -> progress.add(note.progress()))
        .build();
  }

  public static void main(String[] words) {
    Features features = new Features();
    features.open(words[0], words[1], words[2]);
    if (attempt("initialize", () -> features.client.initialize().protocolVersion())) features.check();
    System.exit(0);
  }
}
