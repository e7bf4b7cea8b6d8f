package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.imageio.ImageIO;

/**
 * A server of the chat protocol on this machine. It looks at the picture: the redder it is, the
 * likelier it says yes, and to a question about something blue the other way round. What it answers
 * can be replaced, call by call.
 */
final class ChatStub implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What is sent back. */
  record Response(int status, Map<String, String> headers, String body) {
    static Response of(int status, String body) {
      return new Response(status, Map.of(), body);
    }

    Response with(String header, String value) {
      Map<String, String> more = new LinkedHashMap<>(headers);
      more.put(header, value);
      return new Response(status, more, body);
    }
  }

  /** A request as it came. */
  record Seen(String path, String authorization, JsonNode body) {
    String text() {
      return body.at("/messages/0/content/1/text").asText();
    }

    BufferedImage image() throws IOException {
      String url = body.at("/messages/0/content/0/image_url/url").asText();
      byte[] png = Base64.getDecoder().decode(url.substring(url.indexOf(',') + 1));
      return ImageIO.read(new ByteArrayInputStream(png));
    }
  }

  /** Decides what is sent back; null to break the connection off. */
  @FunctionalInterface
  interface Behaviour {
    Response answer(int call, Seen seen) throws Exception;
  }

  /** For {@link Response#body}: headers only, then nothing until the stub is closed. */
  static final String STALL = "\0stall";

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final CountDownLatch closed = new CountDownLatch(1);
  final List<Seen> seen = new CopyOnWriteArrayList<>();
  private volatile Behaviour behaviour = (call, request) -> judged(request);

  ChatStub() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  String endpoint() {
    return "http://localhost:" + server.getAddress().getPort() + "/v1";
  }

  void behave(Behaviour next) {
    seen.clear();
    behaviour = next;
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      Seen request =
          new Seen(
              exchange.getRequestURI().getPath(),
              String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")),
              JSON.readTree(exchange.getRequestBody()));
      int call;
      synchronized (seen) {
        call = seen.size();
        seen.add(request);
      }
      Response response;
      try {
        response = behaviour.answer(call, request);
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
      if (response == null) {
        return; // closing without an answer cuts the connection
      }
      response.headers().forEach(exchange.getResponseHeaders()::set);
      if (response.body().equals(STALL)) {
        exchange.sendResponseHeaders(response.status(), 1000);
        exchange.getResponseBody().flush();
        closed.await();
        return;
      }
      byte[] bytes = response.body().getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(response.status(), bytes.length == 0 ? -1 : bytes.length);
      exchange.getResponseBody().write(bytes);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** What a good judge says. */
  static Response judged(Seen request) throws IOException {
    double red = redness(request.image());
    double yes = request.text().contains("blue") ? 1 - red : red;
    return request.body().has("response_format")
        ? said("{\"rating\": " + Math.round(1 + 9 * yes) + "}")
        : probabilities(Map.of("Yes", 0.9 * yes, " no", 0.9 * (1 - yes), "The", 0.05));
  }

  /** Between 0.05 and 0.95; the more red and the less blue, the greater. */
  private static double redness(BufferedImage image) {
    double red = 0;
    double blue = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        red += image.getRGB(x, y) >> 16 & 0xff;
        blue += image.getRGB(x, y) & 0xff;
      }
    }
    double area = 255.0 * image.getWidth() * image.getHeight();
    return Math.max(0.05, Math.min(0.95, 0.5 + 3 * (red - blue) / area));
  }

  /** An answer of one token with these as the likeliest. */
  static Response probabilities(Map<String, Double> tokens) {
    ObjectNode root = completion("Yes");
    ArrayNode top =
        ((ObjectNode) root.at("/choices/0"))
            .putObject("logprobs")
            .putArray("content")
            .addObject()
            .put("token", "Yes")
            .put("logprob", -0.1)
            .putArray("top_logprobs");
    tokens.forEach((token, p) -> top.addObject().put("token", token).put("logprob", Math.log(p)));
    return Response.of(200, root.toString());
  }

  /** An answer in words, without probabilities. */
  static Response said(String content) {
    return Response.of(200, completion(content).toString());
  }

  private static ObjectNode completion(String content) {
    ObjectNode root = JSON.createObjectNode();
    root.put("object", "chat.completion");
    ObjectNode choice = root.putArray("choices").addObject();
    choice.put("index", 0).put("finish_reason", "stop");
    choice.putObject("message").put("role", "assistant").put("content", content);
    root.putObject("usage").put("prompt_tokens", 100).put("completion_tokens", 1);
    return root;
  }

  static Response error(int status, String message) {
    ObjectNode root = JSON.createObjectNode();
    root.putObject("error").put("message", message);
    return Response.of(status, root.toString());
  }

  @Override
  public void close() {
    closed.countDown();
    server.stop(0);
    threads.shutdownNow();
  }
}
