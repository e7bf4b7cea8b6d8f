package org.espalier.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The hub's client against a server that behaves like the hub. */
@SuppressWarnings("NullAway.Init")
@Timeout(60)
class HubTest {
  private static final String REPO = "org/net";
  private static final byte[] WEIGHTS = new byte[1 << 20];

  static {
    new Random(7).nextBytes(WEIGHTS);
  }

  @TempDir Path temp;
  private FakeHub hub;
  private HubCache cache;
  private final List<Optional<Duration>> waits = new ArrayList<>();
  private final List<Long> progress = new ArrayList<>();

  @BeforeEach
  void start() throws IOException {
    hub = new FakeHub();
    hub.file(REPO, "config.json", "{\"a\": 1}")
        .file(REPO, "model.safetensors", WEIGHTS)
        .file(REPO, "pytorch_model.bin", "the same for others")
        .file(REPO, "model.fp16.safetensors", "shorter")
        .file(REPO, "flax_model.msgpack", "for others")
        .file(REPO, "onnx/model.onnx", "for others")
        .file(REPO, "README.md", "words");
    cache = new HubCache(temp.resolve("hub"));
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  private HubDownload download(String token) {
    return new HubDownload(
        cache,
        new Hub(
            hub.endpoint(),
            token.isEmpty() ? null : token,
            (attempt, asked) -> {
              waits.add(asked);
              return attempt < 3;
            }),
        (file, done, size) -> {
          if (file.endsWith(".safetensors")) {
            progress.add(done);
          }
        });
  }

  private Path get(String id) {
    return download("").get(HubId.of(id));
  }

  private static void refused(ThrowingCallable call, String... parts) {
    assertThatThrownBy(call)
        .isInstanceOf(EspalierException.class)
        .hasMessageContainingAll(parts)
        .hasMessageContaining("\nMaybe ");
  }

  private static List<String> files(Path root) throws IOException {
    try (Stream<Path> found = Files.walk(root)) {
      return found
          .filter(Files::isRegularFile)
          .map(file -> root.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  @Test
  void fetchesWhatIsReadAndNoMore() throws IOException {
    Path snapshot = get("hf:org/net");
    assertThat(files(snapshot)).containsExactly("config.json", "model.safetensors");
    assertThat(snapshot.resolve("model.safetensors")).hasBinaryContent(WEIGHTS).isSymbolicLink();
    assertThat(Files.readSymbolicLink(snapshot.resolve("model.safetensors")))
        .isEqualTo(Path.of("../../blobs/" + FakeHub.digest("SHA-256", WEIGHTS)));
    assertThat(cache.root().resolve("models--org--net/refs/main")).hasContent(FakeHub.COMMIT);
    assertThat(progress).first().isEqualTo(0L);
    assertThat(progress).last().isEqualTo((long) WEIGHTS.length);
    assertThat(cache.resolve(HubId.of("hf:org/net"))).isEqualTo(snapshot);
    hub.requests.clear();
    get("hf:org/net");
    assertThat(hub.requests).containsExactly("/api/models/org/net/revision/main");
  }

  @Test
  void fetchesOneFileOrFolderOfARevision() throws IOException {
    assertThat(get("hf:org/net@v1/pytorch_model.bin")).hasContent("the same for others");
    assertThat(files(cache.root().resolve("models--org--net/snapshots")))
        .containsExactly(FakeHub.COMMIT + "/pytorch_model.bin");
    assertThat(cache.root().resolve("models--org--net/refs/v1")).exists();
    hub.file(REPO, "part/config.json", "{}").file(REPO, "part/other.safetensors", "x");
    assertThat(files(get("hf:org/net/part"))).containsExactly("config.json", "other.safetensors");
    refused(() -> get("hf:org/net/nothing"), "no file or folder (nothing)", "model.safetensors");
  }

  @Test
  void fetchesTheShardsThatTheIndexNames() throws IOException {
    hub.file(
            "org/big",
            "model.safetensors.index.json",
            "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
                + " \"b\": \"model-00002-of-00002.safetensors\"}}")
        .file("org/big", "model-00001-of-00002.safetensors", "one")
        .file("org/big", "model-00002-of-00002.safetensors", "two")
        .file("org/big", "model-00003-of-00003.safetensors", "of another time")
        .file("org/big", "pytorch_model.bin.index.json", "{}");
    assertThat(download("").plan(HubId.of("org/big")))
        .extracting(HubDownload.Wanted::name, HubDownload.Wanted::present)
        .contains(tuple("model-00001-of-00002.safetensors", false));
    assertThat(files(get("hf:org/big")))
        .containsExactly(
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json");
    hub.file(
        "org/bad",
        "model.safetensors.index.json",
        "{\"weight_map\": {\"a\": \"../../x.safetensors\"}}");
    refused(() -> get("hf:org/bad"), "names a shard (../../x.safetensors) that is not there");
  }

  @Test
  void fetchesThePartsOfAPipeline() throws IOException {
    for (String part : List.of("transformer", "vae")) {
      hub.file("org/flux", part + "/config.json", "{}")
          .file("org/flux", part + "/diffusion_pytorch_model.safetensors", part);
    }
    hub.file("org/flux", "model_index.json", "{}")
        .file("org/flux", "flux1-dev.safetensors", "the same in one file")
        .file("org/flux", "text_encoder/model.safetensors", "t")
        .file("org/flux", "tokenizer/merges.txt", "m")
        .file("org/flux", "safety_checker/model.safetensors", "s");
    assertThat(files(get("hf:org/flux")))
        .containsExactly(
            "model_index.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "transformer/config.json",
            "transformer/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors");
    assertThat(
            Files.readSymbolicLink(
                cache.resolve(HubId.of("org/flux/vae/diffusion_pytorch_model.safetensors"))))
        .isEqualTo(Path.of("../../../blobs/" + FakeHub.digest("SHA-256", "vae".getBytes())));
  }

  @Test
  void severalModelsAreNotGuessedAmong() {
    hub.file("org/many", "infinity_2b_reg.pth", "2").file("org/many", "infinity_8b.pth", "8");
    refused(
        () -> get("hf:org/many"),
        "several models (infinity_2b_reg.pth, infinity_8b.pth)",
        "hf:org/many/infinity_2b_reg.pth");
  }

  @Test
  void goesOnAfterCutConnections() {
    hub.cuts.addAll(List.of(1000, 200_000, 1, 300_000, 5, 100_000));
    assertThat(get("hf:org/net").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    assertThat(hub.requests)
        .contains("store model.safetensors bytes=1000-", "store model.safetensors bytes=201000-");
  }

  @Test
  void goesOnWhereAnotherProcessStopped() throws IOException {
    Path blobs = Files.createDirectories(cache.root().resolve("models--org--net/blobs"));
    Path part = blobs.resolve(FakeHub.digest("SHA-256", WEIGHTS) + ".incomplete");
    Files.write(part, Arrays.copyOf(WEIGHTS, 400_000));
    refused(
        () -> cache.resolve(HubId.of("org/net")),
        "[CONFIG] The checkpoint hf:org/net is not in the cache",
        "its download was interrupted",
        "espalier weights get hf:org/net");
    get("hf:org/net");
    assertThat(hub.requests).contains("store model.safetensors bytes=400000-");
    assertThat(part).doesNotExist();
  }

  @Test
  void startsAnewWhereTheServerKnowsNoRanges() {
    hub.ranges = false;
    hub.cuts.add(1000);
    assertThat(get("hf:org/net").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
  }

  @Test
  void givesUpWhenNothingComes() {
    hub.cuts.addAll(List.of(0, 0, 0, 0, 0));
    refused(() -> get("hf:org/net"), "[RESOURCE] ", "did not deliver", "goes on where it stopped");
    assertThat(waits).hasSize(3);
  }

  @Test
  void damagedBytesNeverAppear() throws IOException {
    hub.damage = true;
    refused(() -> get("hf:org/net"), "[RESOURCE] ", "model.safetensors", "with the hash");
    assertThat(files(cache.root()).stream().filter(f -> f.contains("safetensors"))).isEmpty();
    hub.damage = false;
    get("hf:org/net");
  }

  @Test
  void waitsAsLongAsTheHubAsks() {
    hub.failures.put("/api/models/org/net/revision/main", List.of(429, 503));
    get("hf:org/net");
    assertThat(waits).containsExactly(Optional.of(Duration.ofSeconds(3)), Optional.empty());
  }

  @Test
  void theTokenGoesToTheHubAlone() {
    hub.token = "hf_secret";
    download("hf_secret").get(HubId.of("org/net"));
    assertThat(hub.leaked).isEmpty();
  }

  @Test
  void explainsWhatIsRefused() {
    hub.token = "hf_secret";
    refused(() -> get("hf:org/net"), "accepted its licence (403)", "/org/net", "set HF_TOKEN");
    refused(() -> download("hf_other").get(HubId.of("org/net")), "with the account of HF_TOKEN");
    hub.denied = "RepoNotFound";
    refused(() -> get("hf:org/net"), "(401)", "does not exist, or is private", "set HF_TOKEN");
    hub.token = null;
    refused(() -> get("hf:org/nett"), "The hub has no hf:org/nett (404)");
    refused(() -> get("hf:org/net@v9"), "no revision v9 of org/net");
    hub.failures.put("/api/models/org/net/revision/main", List.of(418));
    refused(() -> get("hf:org/net"), "answers 418");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "{}",
        "nonsense",
        "{\"sha\": \"main\"}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\":"
            + " \"../../etc/passwd\", \"size\": 1, \"blobId\":"
            + " \"0123456789abcdef0123456789abcdef01234567\"}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\":"
            + " \"a\", \"size\": -1, \"blobId\": \"0123456789abcdef0123456789abcdef01234567\"}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\":"
            + " \"a\", \"size\": 1, \"blobId\": \"../../x\"}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\":"
            + " \"a\", \"size\": \"1\", \"blobId\": \"0123456789abcdef0123456789abcdef01234567\"}]}"
      })
  void answersAreChecked(String answer) throws IOException {
    hub.answer = answer;
    refused(() -> get("hf:org/net"), "The", "localhost");
    assertThat(cache.root()).doesNotExist();
  }

  @Test
  void nothingIsDownloadedOffline() {
    for (String value : List.of("1", "true", "YES", "on")) {
      refused(
          () -> Hub.of(Map.of("HF_HUB_OFFLINE", value), "/root", (a, b) -> false),
          "Nothing is downloaded while HF_HUB_OFFLINE is set");
    }
    Hub.of(Map.of("HF_HUB_OFFLINE", "0"), "/root", (a, b) -> false);
    refused(
        () -> Hub.of(Map.of("HF_ENDPOINT", "ftp://x"), "/root", (a, b) -> false), "HF_ENDPOINT");
  }

  @Test
  void theCacheIsWhereTheEnvironmentSays() {
    Map<String, String> all =
        Map.of("HF_HUB_CACHE", "/c", "HF_HOME", "/h", "XDG_CACHE_HOME", "/x", "HOME", "/home/a");
    assertThat(HubCache.of(all, "/root").root()).isEqualTo(Path.of("/c"));
    assertThat(HubCache.of(Map.of("HF_HOME", "~/h", "HOME", "/home/a"), "/root").root())
        .isEqualTo(Path.of("/home/a/h/hub"));
    assertThat(HubCache.of(Map.of("XDG_CACHE_HOME", "/x"), "/root").root())
        .isEqualTo(Path.of("/x/huggingface/hub"));
    assertThat(HubCache.of(Map.of(), "/root").root())
        .isEqualTo(Path.of("/root/.cache/huggingface/hub"));
  }

  @Test
  void otherRevisionsAndBrokenLinksAreNamed() throws IOException {
    Path repository = cache.root().resolve("models--org--net");
    Path snapshot = Files.createDirectories(repository.resolve("snapshots/" + FakeHub.COMMIT));
    refused(() -> cache.resolve(HubId.of("org/net@v2")), "other revisions are ([" + FakeHub.COMMIT);
    refused(() -> cache.resolve(HubId.of("org/net")), "has no file in the cache");
    Files.createSymbolicLink(snapshot.resolve("a.pth"), Path.of("../../blobs/none"));
    refused(() -> cache.resolve(HubId.of("org/net/a.pth")), "a link that leads nowhere");
    refused(() -> cache.resolve(HubId.of("org/net/b.pth")), "is not in the cache");
    assertThat(cache.resolve(HubId.of("org/net@" + FakeHub.COMMIT))).isEqualTo(snapshot);
  }

  @ParameterizedTest
  @CsvSource({
    "hf:google/flan-t5-xl, google/flan-t5-xl,,",
    "hf:a/b@v1.0/x/y.pth, a/b, v1.0, x/y.pth",
    "hf:gpt2, gpt2,,",
    "a/b, a/b,,"
  })
  void readsReferences(String text, String repository, String revision, String file) {
    assertThat(HubId.of(text)).isEqualTo(new HubId(repository, revision, file));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hf:",
        "hf:a/b/../c",
        "hf:a/b//c",
        "hf:a b/c",
        "hf:a/b/c\\d",
        "hf:/a/b",
        "hf:a/b@"
      })
  void refusesOtherForms(String text) {
    refused(() -> HubId.of(text), "[CONFIG] ");
  }

  @Test
  void expandsPaths() {
    Map<String, String> environment = Map.of("HOME", "/home/ada", "SCRATCH", "/s");
    assertThat(Places.expand("~/m", environment, "/root")).isEqualTo(Path.of("/home/ada/m"));
    assertThat(Places.expand("~", environment, "/root")).isEqualTo(Path.of("/home/ada"));
    assertThat(Places.expand("${SCRATCH}/m$x~", environment, "/root"))
        .isEqualTo(Path.of("/s/m$x~"));
    refused(() -> Places.expand("${NONE}/m", environment, "/root"), "${NONE}", "is not set");
    refused(() -> Places.expand("a\0b", environment, "/root"), "is no path");
    refused(() -> Places.expand("~/m", Map.of(), "?"), "no home directory");
  }
}
