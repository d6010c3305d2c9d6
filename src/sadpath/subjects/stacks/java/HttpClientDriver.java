// java.net.http.HttpClient as the JDK has it, driven over stdio; run by `java HttpClientDriver.java`, JDK 17 or newer.
//
// Nothing is added that a caller would not have by itself: no retries, no refresh, no cache. JSON is read by the driver,
// for the JDK brings nothing for that. The protocol: docs/drivers.md of sadpath.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.ConnectException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;

public final class HttpClientDriver {
  /** Method and path of each operation of the reference API; whatever else its arguments hold goes into the query. */
  private static final Map<String, String[]> REQUESTS = new LinkedHashMap<>();

  static {
    for (String line : """
        auth.login POST /auth/login
        auth.logout POST /auth/logout
        users.get GET /users/{id}
        users.list GET /users
        users.create POST /users
        users.update PUT /users/{id}
        users.delete DELETE /users/{id}
        orders.list GET /orders
        orders.create POST /orders
        settings.get GET /settings
        """.split("\n")) {
      String[] words = line.split(" ");
      REQUESTS.put(words[0], new String[] {words[1], words[2]});
    }
  }

  private static final Map<Integer, String> KINDS =
      Map.of(401, "unauthorized", 403, "forbidden", 404, "not_found", 409, "conflict", 422, "validation", 429,
          "rate_limited");
  /** Failures whose own names say that the request had been sent. */
  private static final Set<String> AFTER_SENDING =
      Set.of("timeout.read", "timeout.total", "reset", "closed", "truncated", "protocol");
  private static final Set<String> SAFE = Set.of("GET", "HEAD", "OPTIONS");

  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
  private static final Map<String, Life> LIVES = new ConcurrentHashMap<>();

  public static void main(String[] args) throws IOException {
    System.setOut(System.err);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      Map<String, Object> message = map(new Json(line).whole());
      switch (text(message.get("t"))) {
        case "hello" -> say(hello());
        case "ping" -> say(of("t", "pong"));
        case "reset" -> {
          Life life = LIVES.remove(text(message.get("id")));
          if (life != null) {
            life.over();
          }
          say(of("t", "ok"));
        }
        case "run" -> inThread(() -> run(message));
        default -> {
          return;
        }
      }
    }
  }

  private static void inThread(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    thread.start();
  }

  private static void say(Map<String, Object> message) {
    String line = "@sadpath " + Json.write(message);
    synchronized (OUT) {
      OUT.print(line + "\n");
      OUT.flush();
    }
  }

  private static Map<String, Object> hello() {
    List<String> operations = new ArrayList<>(List.of("http"));
    operations.addAll(REQUESTS.keySet());
    String version = System.getProperty("java.version");
    Map<String, Object> client =
        of("name", "java-http-client", "version", "1", "language", "java", "http", "java.net.http of Java " + version);
    return of("t", "hello", "protocol", 1, "client", client, "capabilities",
        List.of("retry", "cancel", "error_kinds", "call_tag", "policy_override"), "operations", operations,
        "max_parallel", 16);
  }

  private static void run(Map<String, Object> run) {
    String id = text(run.get("id"));
    Map<String, Object> end;
    try {
      end = play(run, id);
    } catch (NotSupported no) {
      end = of("t", "unsupported", "why", no.getMessage());
    } catch (Exception | StackOverflowError error) {
      error.printStackTrace();
      end = of("t", "driver_error", "message", error.toString());
    }
    end.put("id", id);
    say(end);
  }

  private static Map<String, Object> play(Map<String, Object> run, String id) throws Exception {
    Life life = LIVES.get(id);
    if (Boolean.TRUE.equals(run.get("continues"))) {
      if (run.get("auth") != null) {
        life.resume(map(run.get("auth")));
      }
    } else {
      life = new Life(run);
      LIVES.put(id, life);
    }
    long begun = System.nanoTime();
    for (Object one : list(run.get("calls"))) {
      Map<String, Object> step = map(one);
      List<CompletableFuture<Void>> waiting = new ArrayList<>();
      if (step.containsKey("offline")) {
        throw new NotSupported("the library asks nobody whether it is online");
      } else if (step.containsKey("advance_ms")) {
        Thread.sleep(((Number) step.get("advance_ms")).longValue());
      } else if (step.containsKey("parallel")) {
        for (Object call : list(step.get("parallel"))) {
          for (int i = 0; i < times(map(call)); i++) {
            waiting.add(call(life, map(call), i, id, begun));
          }
        }
      } else {
        for (int i = 0; i < times(step); i++) {
          call(life, step, i, id, begun).join();
        }
      }
      CompletableFuture.allOf(waiting.toArray(new CompletableFuture<?>[0])).join();
    }
    return of("t", "result", "signed_in", life.token != null);
  }

  private static int times(Map<String, Object> call) {
    return call.get("times") instanceof Number number ? number.intValue() : 1;
  }

  /** Make a call, now or after its pause; what is returned ends once its outcome has been told. */
  private static CompletableFuture<Void> call(Life life, Map<String, Object> call, int i, String id, long begun) {
    Request request = life.request(call, i);
    CompletableFuture<Void> told = new CompletableFuture<>();
    Map<String, Object> outcome = of("t", "outcome", "id", id, "call", call.get("call"), "i", i);
    double after = call.get("start_after_ms") instanceof Number number ? number.doubleValue() : 0;
    double cancel = call.get("cancel_after_ms") instanceof Number number ? number.doubleValue() : -1;
    later(after, () -> {
      outcome.put("started_ms", ms(begun));
      CompletableFuture<Map<String, Object>> made = cancel == 0 ? null : life.send(request, text(call.get("op")));
      CompletableFuture<Map<String, Object>> ending = made == null ? new CompletableFuture<>() : made;
      ending.whenComplete((found, error) -> {
        Map<String, Object> said = error == null ? found : life.failed(error, request, outcome);
        outcome.put("ended_ms", ms(begun));
        outcome.putAll(said);
        if (!life.isOver) {
          say(outcome);
        }
        told.complete(null);
      });
      if (cancel >= 0) {
        later(cancel, () -> {
          if (!ending.isDone()) {
            outcome.put("cancelled_ms", ms(begun));
            ending.cancel(true);
          }
        });
      }
    });
    return told;
  }

  private static void later(double milliseconds, Runnable work) {
    if (milliseconds <= 0) {
      work.run();
    } else {
      long nanoseconds = (long) (milliseconds * 1e6);
      CompletableFuture.delayedExecutor(nanoseconds, TimeUnit.NANOSECONDS).execute(work);
    }
  }

  private static double ms(long begun) {
    return Math.round((System.nanoTime() - begun) / 1e3) / 1e3;
  }

  /** One request as a caller would write it down. */
  private record Request(String method, String url, Map<String, String> headers, String body) {}

  private static final class NotSupported extends RuntimeException {
    NotSupported(String why) {
      super(why);
    }
  }

  /** One life of the client, as `HttpClient.newBuilder().build()` makes it. */
  private static final class Life {
    private final HttpClient client;
    private final Thread selector;
    private final String base;
    private final Duration timeout;
    private final Set<CompletableFuture<?>> underWay = ConcurrentHashMap.newKeySet();
    private Map<String, Object> auth;
    private volatile String token;
    private volatile boolean isOver;

    Life(Map<String, Object> run) throws Exception {
      base = text(run.get("base_url"));
      resume(map(run.get("auth")));
      Map<String, Object> timeouts = map(map(run.get("policy")).get("timeouts"));
      timeout = duration(timeouts.get("total_ms"));
      HttpClient.Builder builder = HttpClient.newBuilder();
      Duration connect = duration(timeouts.get("connect_ms"));
      if (connect != null) {
        builder.connectTimeout(connect);
      }
      if (run.get("tls_ca") != null) {
        builder.sslContext(trusting(text(run.get("tls_ca"))));
      }
      synchronized (Life.class) {
        Set<Thread> before = selectors();
        client = builder.build();
        Set<Thread> now = selectors();
        now.removeAll(before);
        selector = now.iterator().next();
      }
    }

    /** Before Java 21 a client cannot be closed. It ends with the thread that waits for its sockets. */
    private static Set<Thread> selectors() {
      Set<Thread> found = new HashSet<>(Thread.getAllStackTraces().keySet());
      found.removeIf(thread -> !thread.getName().matches("HttpClient-\\d+-SelectorManager"));
      return found;
    }

    private static Duration duration(Object milliseconds) {
      return milliseconds instanceof Number number ? Duration.ofNanos((long) (number.doubleValue() * 1e6)) : null;
    }

    private static SSLContext trusting(String pem) throws Exception {
      KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      var bytes = new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII));
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(bytes));
      TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init(store);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, factory.getTrustManagers(), null);
      return context;
    }

    void resume(Map<String, Object> given) {
      auth = given;
      token = given.get("access_token") == null ? null : text(given.get("access_token"));
    }

    void over() {
      isOver = true;
      underWay.forEach(future -> future.cancel(true));
      selector.interrupt();
    }

    Request request(Map<String, Object> call, int i) {
      if (Boolean.TRUE.equals(call.get("pages")) || Boolean.FALSE.equals(call.get("replayable"))) {
        throw new NotSupported("the library sends one request with a body of its own for each call");
      }
      String op = text(call.get("op"));
      Map<String, Object> args = new LinkedHashMap<>(map(call.get("args")));
      Map<String, String> headers = new LinkedHashMap<>(Map.of("X-Sadpath-Call", call.get("call") + "/" + i));
      Object key = args.remove("idempotency_key");
      if (key != null) {
        headers.put("Idempotency-Key", key.toString());
      }
      String method;
      String path;
      Object body;
      if (op.equals("http")) {
        method = text(args.remove("method"));
        path = text(args.remove("path"));
        body = args.remove("json");
        map(args.remove("headers")).forEach((name, value) -> headers.put(name, text(value)));
      } else if (REQUESTS.containsKey(op)) {
        String[] known = REQUESTS.get(op);
        method = known[0];
        if (known[1].contains("{id}") && args.get("id") == null) {
          throw new NotSupported(op + " needs id");
        }
        path = known[1].replace("{id}", String.valueOf(args.remove("id")));
        body = args.remove("data");
      } else {
        throw new NotSupported("the client has no operation " + op);
      }
      boolean abroad = path.contains("://");
      if (op.equals("auth.login")) {
        if (auth.isEmpty()) {
          throw new NotSupported("nobody is named who could sign in");
        }
        body = of("email", auth.get("email"), "password", auth.get("password"));
      } else if (token != null && !abroad) {
        headers.put("Authorization", "Bearer " + token);
      }
      List<String> query = new ArrayList<>();
      args.forEach((name, value) -> query.add(encoded(name) + "=" + encoded(String.valueOf(value))));
      String url = (abroad ? path : base + path) + (query.isEmpty() ? "" : "?" + String.join("&", query));
      if (body != null) {
        headers.putIfAbsent("Content-Type", "application/json");
      }
      return new Request(method, url, headers, body == null ? null : Json.write(body));
    }

    private static String encoded(String text) {
      return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    CompletableFuture<Map<String, Object>> send(Request request, String op) {
      CompletableFuture<HttpResponse<String>> sent;
      try {
        var publisher = request.body == null
            ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(request.body);
        var builder = HttpRequest.newBuilder(URI.create(request.url)).method(request.method, publisher);
        request.headers.forEach(builder::header);
        if (timeout != null) {
          builder.timeout(timeout);
        }
        sent = client.sendAsync(builder.build(), HttpResponse.BodyHandlers.ofString());
      } catch (RuntimeException error) { // a method, header or URL that is none
        return CompletableFuture.failedFuture(error);
      } finally {
        if (op.equals("auth.logout")) {
          token = null;
        }
      }
      underWay.add(sent);
      var said = sent.thenApply(answer -> answered(answer, op));
      // Who gives up on what is handed out gives up on the request: JDK 16 and newer cancel it then.
      said.whenComplete((value, error) -> {
        underWay.remove(sent);
        if (said.isCancelled()) {
          sent.cancel(true);
        }
      });
      return said;
    }

    private Map<String, Object> answered(HttpResponse<String> answer, String op) {
      int status = answer.statusCode();
      if (status >= 300) {
        String kind = status < 400 ? "redirect"
            : KINDS.getOrDefault(status, status >= 500 ? "server" : "unexpected_status");
        Map<String, Object> report = of("kind", kind, "status", status, "native", "status", "message", "HTTP " + status);
        answer.headers().firstValue("Retry-After").ifPresent(field -> report.put("retry_after_ms", waitIn(field)));
        return of("outcome", "error", "error", report);
      }
      Object value = null;
      if (!answer.body().isEmpty()) {
        try {
          value = new Json(answer.body()).whole();
        } catch (IllegalArgumentException | StackOverflowError error) {
          String message = String.valueOf(error.getMessage());
          return of("outcome", "error", "error", of("kind", "decode", "status", status, "message", message));
        }
      }
      if (op.equals("auth.login") && map(value).get("access_token") instanceof String given) {
        token = given;
      }
      return of("outcome", "ok", "value", of("status", status, "json", value));
    }

    private static Object waitIn(String field) {
      try {
        if (field.matches("\\d{1,9}")) {
          return Long.parseLong(field) * 1000;
        }
        var date = ZonedDateTime.parse(field, DateTimeFormatter.RFC_1123_DATE_TIME);
        return Math.max(0, Duration.between(ZonedDateTime.now(), date).toMillis());
      } catch (java.time.format.DateTimeParseException error) {
        return null;
      }
    }

    Map<String, Object> failed(Throwable thrown, Request request, Map<String, Object> outcome) {
      Throwable error = thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
      if (error instanceof CancellationException && outcome.get("cancelled_ms") != null) {
        return of("outcome", "cancelled");
      }
      String kind = kindOf(error);
      String name = error.getClass().getSimpleName();
      Map<String, Object> report =
          of("kind", kind == null ? "other" : kind, "native", name, "message", String.valueOf(error.getMessage()));
      report.put("effect_unknown", AFTER_SENDING.contains(kind) && !SAFE.contains(request.method));
      return of("outcome", "error", "error", report, "escaped", kind == null);
    }
  }

  /** Return what an exception stands for, null for one that the library does not tell of. */
  private static String kindOf(Throwable error) {
    StringBuilder said = new StringBuilder();
    for (Throwable one = error; one != null; one = one.getCause()) {
      if (one instanceof UnresolvedAddressException) {
        return "dns";
      }
      if (one instanceof HttpConnectTimeoutException) {
        return "timeout.connect";
      }
      if (one instanceof HttpTimeoutException) {
        return "timeout.total";
      }
      if (one instanceof SSLException) {
        return "tls";
      }
      if (one instanceof ProtocolException) {
        return "protocol";
      }
      said.append(one.getMessage()).append('\n');
    }
    if (error instanceof IllegalArgumentException) {
      return "bug";
    }
    if (!(error instanceof IOException)) {
      return null;
    }
    String text = said.toString();
    if (text.contains("Connection reset") || text.contains("Broken pipe")) {
      return "reset";
    }
    if (text.contains("received no bytes")) {
      return "closed";
    }
    if (error instanceof ConnectException) {
      return "refused";
    }
    boolean cut = text.contains("bytes received: ") || text.contains("transfer encoding, state: ");
    if (cut || error instanceof java.io.EOFException) {
      return "truncated";
    }
    return error instanceof ClosedChannelException ? "closed" : "other";
  }

  private static String text(Object value) {
    return value == null ? "" : value.toString();
  }

  @SuppressWarnings("unchecked") // what a line of JSON holds
  private static Map<String, Object> map(Object value) {
    return value instanceof Map<?, ?> found ? (Map<String, Object>) found : Map.of();
  }

  private static List<?> list(Object value) {
    return value instanceof List<?> found ? found : List.of();
  }

  private static Map<String, Object> of(Object... pairs) {
    Map<String, Object> out = new Message();
    for (int i = 0; i < pairs.length; i += 2) {
      out.put((String) pairs[i], pairs[i + 1]);
    }
    return out;
  }

  /** A map that two threads may write to, and that keeps the order of its keys. */
  private static final class Message extends LinkedHashMap<String, Object> {
    @Override
    public synchronized Object put(String key, Object value) {
      return super.put(key, value);
    }
  }

  /** Reads and writes JSON (RFC 8259). */
  private static final class Json {
    private final String text;
    private int at;

    Json(String text) {
      this.text = text;
    }

    Object whole() {
      Object value = value();
      space();
      if (at < text.length()) {
        throw wrong();
      }
      return value;
    }

    private IllegalArgumentException wrong() {
      return new IllegalArgumentException("no JSON at character " + at);
    }

    private void space() {
      while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
        at++;
      }
    }

    private boolean next(char wanted) {
      space();
      if (at < text.length() && text.charAt(at) == wanted) {
        at++;
        return true;
      }
      return false;
    }

    private void expect(char wanted) {
      if (!next(wanted)) {
        throw wrong();
      }
    }

    private Object value() {
      space();
      if (next('{')) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (boolean more = !next('}'); more; more = !next('}')) {
          if (!out.isEmpty()) {
            expect(',');
          }
          expect('"');
          String key = string();
          expect(':');
          out.put(key, value());
        }
        return out;
      }
      if (next('[')) {
        List<Object> out = new ArrayList<>();
        for (boolean more = !next(']'); more; more = !next(']')) {
          if (!out.isEmpty()) {
            expect(',');
          }
          out.add(value());
        }
        return out;
      }
      return next('"') ? string() : word();
    }

    private Object word() {
      int start = at;
      while (at < text.length() && "+-.".indexOf(text.charAt(at)) >= 0
          || at < text.length() && Character.isLetterOrDigit(text.charAt(at))) {
        at++;
      }
      String word = text.substring(start, at);
      switch (word) {
        case "true":
          return true;
        case "false":
          return false;
        case "null":
          return null;
        default:
          if (!word.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            throw wrong();
          }
          return number(word);
      }
    }

    private static Number number(String word) {
      if (word.matches("-?[0-9]{1,18}")) {
        return Long.parseLong(word);
      }
      return new java.math.BigDecimal(word);
    }

    private String string() {
      StringBuilder out = new StringBuilder();
      while (at < text.length()) {
        char one = text.charAt(at++);
        if (one == '"') {
          return out.toString();
        }
        if (one < ' ') {
          throw wrong();
        }
        out.append(one == '\\' ? escaped() : one);
      }
      throw wrong();
    }

    private char escaped() {
      if (at >= text.length()) {
        throw wrong();
      }
      char one = text.charAt(at++);
      int known = "\"\\/bfnrt".indexOf(one);
      if (known >= 0) {
        return "\"\\/\b\f\n\r\t".charAt(known);
      }
      if (one != 'u' || at + 4 > text.length() || !text.substring(at, at + 4).matches("[0-9a-fA-F]{4}")) {
        throw wrong();
      }
      at += 4;
      return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    static String write(Object value) {
      StringBuilder out = new StringBuilder();
      write(value, out);
      return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
      if (value instanceof Map<?, ?> found) {
        String before = "{";
        for (Map.Entry<?, ?> entry : found.entrySet()) {
          out.append(before);
          write(entry.getKey(), out);
          out.append(':');
          write(entry.getValue(), out);
          before = ",";
        }
        out.append(found.isEmpty() ? "{}" : "}");
      } else if (value instanceof List<?> found) {
        String before = "[";
        for (Object item : found) {
          out.append(before);
          write(item, out);
          before = ",";
        }
        out.append(found.isEmpty() ? "[]" : "]");
      } else if (value instanceof String found) {
        out.append('"');
        for (char one : found.toCharArray()) {
          boolean plain = one >= ' ' && one < 0x7f && one != '"' && one != '\\';
          out.append(plain ? String.valueOf(one) : String.format("\\u%04x", (int) one));
        }
        out.append('"');
      } else {
        out.append(value);
      }
    }
  }

  private HttpClientDriver() {}
}
