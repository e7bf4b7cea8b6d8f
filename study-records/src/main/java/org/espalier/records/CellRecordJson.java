package org.espalier.records;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonDeserializer;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializerProvider;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * The form of a record: one flat object, its members in the order in which they are written here,
 * absent ones left out. Members that are not known are passed over, so that older versions read
 * what newer ones add.
 */
final class CellRecordJson {
  static final String DONE = "done";
  static final String FAILED = "failed";

  private static final TypeReference<Map<String, CellRecord.Axes>> PHASES =
      new TypeReference<>() {};
  private static final TypeReference<Map<String, Double>> PARTS = new TypeReference<>() {};
  private static final TypeReference<List<CellRecord.Point>> CURVE = new TypeReference<>() {};

  private CellRecordJson() {}

  static final class Writer extends JsonSerializer<CellRecord> {
    @Override
    public void serialize(CellRecord record, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      out.writeStartObject();
      CellRecord.Task task = record.task();
      out.writeNumberField("schema", task.schema());
      out.writeStringField("cell", task.cell());
      out.writeStringField("status", record.isDone() ? DONE : FAILED);
      out.writeStringField("study", task.study());
      out.writeStringField("arm", task.arm());
      out.writeStringField("strategy", task.strategy());
      out.writeStringField("model", task.model());
      if (task.verifier() != null) {
        provider.defaultSerializeField("verifier", task.verifier(), out);
      }
      provider.defaultSerializeField("prompt", task.prompt(), out);
      out.writeNumberField("seed", task.seed());
      out.writeStringField("level", task.level());
      provider.defaultSerializeField("budget", task.budget(), out);
      if (record instanceof CellRecord.Failed failed) {
        provider.defaultSerializeField("error", failed.error(), out);
        if (failed.spent() != null) {
          write(failed.spent(), out, provider);
        }
        if (failed.tree() != null) {
          out.writeStringField("tree", failed.tree());
        }
      } else if (record instanceof CellRecord.Done done) {
        write(done, out, provider);
      }
      if (!record.time().equals(CellRecord.Times.NONE)) {
        provider.defaultSerializeField("time", record.time(), out);
      }
      out.writeEndObject();
    }

    private static void write(
        CellRecord.Spent spent, JsonGenerator out, SerializerProvider provider) throws IOException {
      provider.defaultSerializeField("spent", spent.total(), out);
      provider.defaultSerializeField("phases", spent.phases(), out);
      out.writeNumberField("utilisation", spent.utilisation());
      if (spent.account() != null) {
        provider.defaultSerializeField("account", spent.account(), out);
      }
    }

    private static void write(CellRecord.Done done, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      CellRecord.Found found = done.found();
      out.writeStringField("stop", found.stop());
      write(done.spent(), out, provider);
      out.writeNumberField("score", found.score());
      if (!found.scoreParts().isEmpty()) {
        provider.defaultSerializeField("scoreParts", found.scoreParts(), out);
      }
      out.writeNumberField("incumbentScore", found.incumbentScore());
      out.writeNumberField("answer", found.answer());
      out.writeNumberField("incumbent", found.incumbent());
      provider.defaultSerializeField("images", done.images(), out);
      if (done.tree() != null) {
        out.writeStringField("tree", done.tree());
      }
      provider.defaultSerializeField("evaluation", done.evaluation(), out);
      provider.defaultSerializeField("curve", done.curve(), out);
    }
  }

  static final class Reader extends JsonDeserializer<CellRecord> {
    @Override
    public CellRecord deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      ObjectMapper mapper = (ObjectMapper) parser.getCodec();
      return new Members(parser, mapper, mapper.readTree(parser)).record();
    }
  }

  /** The members of a record that is being read. */
  private record Members(JsonParser parser, ObjectMapper mapper, JsonNode json) {
    CellRecord record() throws IOException {
      CellRecord.Task task =
          new CellRecord.Task(
              (int) whole("schema"),
              text("cell"),
              text("study"),
              text("arm"),
              text("strategy"),
              text("model"),
              json.hasNonNull("verifier") ? as("verifier", CellRecord.Driver.class) : null,
              as("prompt", CellRecord.PromptText.class),
              whole("seed"),
              text("level"),
              as("budget", CellRecord.Limits.class));
      CellRecord.Times time = orElse("time", CellRecord.Times.class, CellRecord.Times.NONE);
      String status = text("status");
      return switch (status) {
        case DONE -> done(task, time);
        case FAILED ->
            new CellRecord.Failed(
                task,
                as("error", CellRecord.Failure.class),
                json.hasNonNull("spent") ? spent() : null,
                json.hasNonNull("tree") ? text("tree") : null,
                time);
        default -> throw wrong("status", "is neither done nor failed");
      };
    }

    private CellRecord.Done done(CellRecord.Task task, CellRecord.Times time) throws IOException {
      return new CellRecord.Done(
          task,
          spent(),
          new CellRecord.Found(
              text("stop"),
              real("score"),
              json.hasNonNull("scoreParts") ? as("scoreParts", PARTS) : Map.of(),
              real("incumbentScore"),
              whole("answer"),
              whole("incumbent")),
          as("images", CellRecord.Images.class),
          json.hasNonNull("tree") ? text("tree") : null,
          orElse("evaluation", CellRecord.Evaluation.class, CellRecord.Evaluation.NONE),
          json.hasNonNull("curve") ? as("curve", CURVE) : List.of(),
          time);
    }

    private CellRecord.Spent spent() throws IOException {
      return new CellRecord.Spent(
          as("spent", CellRecord.Axes.class),
          json.hasNonNull("phases") ? as("phases", PHASES) : Map.of(),
          real("utilisation"),
          json.hasNonNull("account") ? as("account", CellRecord.Account.class) : null);
    }

    private JsonMappingException wrong(String name, String what) {
      return JsonMappingException.from(parser, "the member " + name + " " + what);
    }

    private JsonNode member(String name) throws JsonMappingException {
      JsonNode member = json.get(name);
      if (member == null || member.isNull()) {
        throw wrong(name, "is missing");
      }
      return member;
    }

    private String text(String name) throws JsonMappingException {
      JsonNode member = member(name);
      if (!member.isTextual()) {
        throw wrong(name, "is not a text");
      }
      return member.textValue();
    }

    private long whole(String name) throws JsonMappingException {
      JsonNode member = member(name);
      if (!member.isIntegralNumber() || !member.canConvertToLong()) {
        throw wrong(name, "is not a whole number");
      }
      return member.longValue();
    }

    private double real(String name) throws JsonMappingException {
      JsonNode member = member(name);
      if (!member.isNumber()) {
        throw wrong(name, "is not a number");
      }
      return member.doubleValue();
    }

    private <T> T as(String name, Class<T> type) throws IOException {
      return mapper.treeToValue(member(name), type);
    }

    private <T> T as(String name, TypeReference<T> type) throws IOException {
      return mapper.treeToValue(member(name), type);
    }

    private <T> T orElse(String name, Class<T> type, T absent) throws IOException {
      return json.hasNonNull(name) ? as(name, type) : absent;
    }
  }
}
