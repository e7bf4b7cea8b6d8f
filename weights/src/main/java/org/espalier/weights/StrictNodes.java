package org.espalier.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NumericNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.databind.node.ValueNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import org.espalier.api.EspalierException;

/**
 * Trees of one file whose {@code asInt}, {@code asDouble} and so on refuse values of other types,
 * where Jackson's own give 0, the default or a part of the number. Missing values and {@code null}
 * still give the default.
 */
final class StrictNodes extends JsonNodeFactory {
  private static final long serialVersionUID = 1L;

  private final String where;

  /**
   * @param where the file, for messages
   */
  StrictNodes(String where) {
    this.where = where;
  }

  /** Where a tree comes from. */
  static String where(JsonNode node) {
    return node instanceof StrictObject object ? object.where : "the configuration";
  }

  static EspalierException wrong(JsonNode value, String where, String wanted) {
    String text = value.toString();
    return EspalierException.config(
        "The value %s in %s must be %s."
            .formatted(text.length() > 80 ? text.substring(0, 80) + "..." : text, where, wanted),
        "Maybe the file is damaged, or belongs to another model.");
  }

  @Override
  public TextNode textNode(String text) {
    return new StrictText(text, where);
  }

  @Override
  public ObjectNode objectNode() {
    return new StrictObject(this, where);
  }

  @Override
  public ArrayNode arrayNode() {
    return new StrictArray(this, where);
  }

  @Override
  public ArrayNode arrayNode(int capacity) {
    return arrayNode();
  }

  @Override
  public NumericNode numberNode(double v) {
    return new StrictDouble(v, where);
  }

  @Override
  public NumericNode numberNode(float v) {
    return new StrictDouble(v, where);
  }

  @Override
  public ValueNode numberNode(BigDecimal v) {
    return v == null ? nullNode() : new StrictDouble(v.doubleValue(), where);
  }

  @Override
  public ValueNode numberNode(BigInteger v) {
    return v == null ? nullNode() : new StrictBig(v, where);
  }

  @Override
  public NumericNode numberNode(long v) {
    return v >= Integer.MIN_VALUE && v <= Integer.MAX_VALUE
        ? super.numberNode((int) v)
        : new StrictBig(BigInteger.valueOf(v), where);
  }

  private static final class StrictText extends TextNode {
    private static final long serialVersionUID = 1L;
    private final String where;

    StrictText(String text, String where) {
      super(text);
      this.where = where;
    }

    @Override
    public int asInt(int otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public long asLong(long otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public double asDouble(double otherwise) {
      throw wrong(this, where, "a number");
    }

    @Override
    public boolean asBoolean(boolean otherwise) {
      throw wrong(this, where, "true or false");
    }
  }

  private static final class StrictDouble extends DoubleNode {
    private static final long serialVersionUID = 1L;
    private final String where;

    StrictDouble(double value, String where) {
      super(value);
      this.where = where;
    }

    @Override
    public int intValue() {
      if (!canConvertToExactIntegral() || !canConvertToInt()) {
        throw wrong(this, where, "a whole number");
      }
      return super.intValue();
    }

    @Override
    public long longValue() {
      if (!canConvertToExactIntegral() || !canConvertToLong()) {
        throw wrong(this, where, "a whole number");
      }
      return super.longValue();
    }

    @Override
    public boolean asBoolean(boolean otherwise) {
      throw wrong(this, where, "true or false");
    }
  }

  /** A whole number outside of the range of an int. */
  private static final class StrictBig extends BigIntegerNode {
    private static final long serialVersionUID = 1L;
    private final String where;

    StrictBig(BigInteger value, String where) {
      super(value);
      this.where = where;
    }

    @Override
    public int intValue() {
      throw wrong(this, where, "a whole number of 32 bits");
    }

    @Override
    public long longValue() {
      if (!canConvertToLong()) {
        throw wrong(this, where, "a whole number of 64 bits");
      }
      return super.longValue();
    }

    @Override
    public boolean asBoolean(boolean otherwise) {
      throw wrong(this, where, "true or false");
    }
  }

  private static final class StrictObject extends ObjectNode {
    private static final long serialVersionUID = 1L;
    private final String where;

    StrictObject(JsonNodeFactory factory, String where) {
      super(factory);
      this.where = where;
    }

    @Override
    public int asInt(int otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public long asLong(long otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public double asDouble(double otherwise) {
      throw wrong(this, where, "a number");
    }

    @Override
    public boolean asBoolean(boolean otherwise) {
      throw wrong(this, where, "true or false");
    }

    @Override
    public String asText(String otherwise) {
      throw wrong(this, where, "a text");
    }
  }

  private static final class StrictArray extends ArrayNode {
    private static final long serialVersionUID = 1L;
    private final String where;

    StrictArray(JsonNodeFactory factory, String where) {
      super(factory);
      this.where = where;
    }

    @Override
    public int asInt(int otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public long asLong(long otherwise) {
      throw wrong(this, where, "a whole number");
    }

    @Override
    public double asDouble(double otherwise) {
      throw wrong(this, where, "a number");
    }

    @Override
    public boolean asBoolean(boolean otherwise) {
      throw wrong(this, where, "true or false");
    }

    @Override
    public String asText(String otherwise) {
      throw wrong(this, where, "a text");
    }
  }
}
