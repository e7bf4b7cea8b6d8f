package org.espalier.shapes;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.shapes.NearMiss.Change;
import org.espalier.shapes.ObjectRequirement.Position;
import org.jspecify.annotations.Nullable;

/**
 * The procedural world: requirements by category, scenes that meet them, and requirements that they
 * just miss. Everything is a pure function of a key.
 */
public final class ShapesWorld {
  /** The most objects of one of this world's pictures. */
  private static final int MOST_OBJECTS = 5;

  /** Places tried for objects of one look before other sizes are drawn, and how often that is. */
  private static final int LAYOUT_TRIES = 256;

  private static final int LOOKS = 32;

  /** Share of large objects where the size is left open, by the number of objects. */
  private static final double[] LARGE_SHARE = {0, .6, .45, .2, .06, 0};

  private ShapesWorld() {}

  // ---------------------------------------------------------------- requirements

  /**
   * A random requirement, from the distribution of the bundled prompts.
   *
   * @param category what it should test
   * @param key where the choices come from
   */
  public static SceneRequirement requirement(Category category, DrawKey key) {
    KeyedDice dice = new KeyedDice(key);
    List<Shape> shapes = dice.shuffled(Shape.values());
    List<Color> colors = dice.shuffled(Color.values());
    ObjectRequirement a = ObjectRequirement.of(shapes.get(0));
    ObjectRequirement b = ObjectRequirement.of(shapes.get(1));
    switch (category) {
      case SINGLE_OBJECT -> {
        if (dice.chance(0.7)) {
          a = dice.chance(0.6) ? a.withTexture(dice.choose(Texture.values())) : a;
          a = dice.chance(0.6) ? a.withSize(dice.choose(Size.values())) : a;
        }
        return all(a);
      }
      case TWO_OBJECT -> {
        return all(a, b);
      }
      case COUNTING -> {
        a = a.withCount(dice.choose(List.of(2, 3, 4, 5)));
        return exactly(dice.chance(0.33) ? a.withColor(colors.get(0)) : a);
      }
      case COLORS -> {
        return all(a.withColor(colors.get(0)));
      }
      case POSITION -> {
        if (dice.chance(0.45)) {
          a = a.withColor(colors.get(0));
          b = b.withColor(dice.chance(0.85) ? colors.get(1) : colors.get(0));
        }
        return all(b, a.withPositions(List.of(position(dice, 0))));
      }
      case COLOR_ATTR -> {
        return all(a.withColor(colors.get(0)), b.withColor(colors.get(1)));
      }
      case BINDING -> {
        int mode = dice.choose(List.of(0, 1, 2));
        if (mode != 1) {
          List<Texture> textures = dice.shuffled(Texture.values());
          a = a.withTexture(textures.get(0));
          b = b.withTexture(textures.get(1));
        }
        if (mode == 1 || (mode == 2 && dice.chance(0.5))) {
          List<Size> sizes = dice.shuffled(Size.values());
          a = a.withSize(sizes.get(0));
          b = b.withSize(sizes.get(1));
        }
        if (dice.chance(0.4)) {
          a = a.withColor(colors.get(0));
          b = b.withColor(colors.get(1));
        }
        return all(a, b);
      }
      case COMPLEX -> {
        ObjectRequirement c = ObjectRequirement.of(shapes.get(2)).withColor(colors.get(2));
        return all(
            b.withColor(colors.get(1)),
            c,
            a.withColor(colors.get(0))
                .withPositions(List.of(position(dice, 0), position(dice, 1))));
      }
    }
    throw new AssertionError(category);
  }

  private static Position position(KeyedDice dice, int of) {
    return new Position(dice.choose(Relation.values()), of);
  }

  private static SceneRequirement all(ObjectRequirement... include) {
    return new SceneRequirement(List.of(include), List.of());
  }

  private static SceneRequirement exactly(ObjectRequirement object) {
    return new SceneRequirement(
        List.of(object),
        List.of(new SceneRequirement.Exclusion(object.shape(), object.count() + 1)));
  }

  /**
   * A prompt that asks for a requirement.
   *
   * @param id its id
   * @param category its tag
   * @param requirement what it asks for
   */
  public static Prompt prompt(String id, Category category, SceneRequirement requirement) {
    return new Prompt(id, requirement.caption(), category.word(), requirement.metadata());
  }

  /**
   * Whether a prompt was kept from the generators while they were trained: one eighth of the
   * prompts of each category that has many.
   *
   * @param category its tag
   * @param requirement what it asks for
   */
  public static boolean isHeldOut(Category category, SceneRequirement requirement) {
    boolean few =
        switch (category) {
          case COUNTING, COLORS, TWO_OBJECT -> true;
          case SINGLE_OBJECT -> attributes(requirement.include().get(0)) < 2;
          case POSITION, COLOR_ATTR, BINDING, COMPLEX -> false;
        };
    if (few) {
      return false;
    }
    CRC32 crc = new CRC32();
    crc.update(requirement.phrase().getBytes(StandardCharsets.US_ASCII));
    return crc.getValue() % 8 == 0;
  }

  private static int attributes(ObjectRequirement object) {
    return (object.color() == null ? 0 : 1)
        + (object.texture() == null ? 0 : 1)
        + (object.size() == null ? 0 : 1);
  }

  // ---------------------------------------------------------------- scenes

  /**
   * A scene that shows a requirement and nothing else. What the requirement leaves open is random.
   *
   * @param requirement what to show: at most five objects
   * @param key where the choices come from
   * @throws EspalierException CONFIG where no layout is found, for example for relations that
   *     contradict each other
   */
  public static Scene scene(SceneRequirement requirement, DrawKey key) {
    int count = requirement.objects();
    if (count > MOST_OBJECTS) {
      throw EspalierException.config(
          "The requirement asks for %d objects.".formatted(count),
          "Maybe ask for at most " + MOST_OBJECTS + ".");
    }
    for (int look = 0; look < LOOKS; look++) {
      KeyedDice dice = new KeyedDice(key.child(look));
      List<SceneObject> objects = layout(requirement, count, dice);
      if (!objects.isEmpty()) {
        double grey = dice.chance(0.65) ? dice.between(.78, .97) : dice.between(.04, .20);
        return new Scene(
            objects,
            jitter(new Rgb(grey, grey, grey), dice, 0.03),
            dice.between(-.06, .06),
            dice.between(-.06, .06));
      }
    }
    throw EspalierException.config(
        "No layout was found for \"%s\".".formatted(requirement.phrase()),
        "Maybe its relations contradict each other, or its objects are too large.");
  }

  /** Objects of a random look in random places, or none where these do not fit. */
  private static List<SceneObject> layout(SceneRequirement requirement, int count, KeyedDice dice) {
    Look shared = new Look(dice, count);
    // Most counted groups are uniform.
    boolean alike = requirement.include().get(0).count() > 1 && dice.chance(0.6);
    List<SceneObject> objects = new ArrayList<>();
    List<Integer> firstOf = new ArrayList<>();
    for (ObjectRequirement object : requirement.include()) {
      firstOf.add(objects.size());
      for (int n = 0; n < object.count(); n++) {
        objects.add(object(object, alike ? shared : new Look(dice, count), dice));
      }
    }
    for (int attempt = 0; attempt < LAYOUT_TRIES; attempt++) {
      List<SceneObject> placed = objects.stream().map(object -> place(object, dice)).toList();
      if (isLegal(requirement, placed, firstOf)) {
        return placed;
      }
    }
    return List.of();
  }

  /** Attributes for what a requirement leaves open. */
  private record Look(Color color, Texture texture, Size size) {
    Look(KeyedDice dice, int objects) {
      this(
          dice.choose(Color.values()),
          dice.chance(0.6) ? Texture.SOLID : dice.choose(List.of(Texture.STRIPED, Texture.DOTTED)),
          dice.chance(LARGE_SHARE[objects]) ? Size.LARGE : Size.SMALL);
    }
  }

  private static SceneObject object(ObjectRequirement required, Look look, KeyedDice dice) {
    Color color = required.color() != null ? required.color() : look.color;
    Texture texture = required.texture() != null ? required.texture() : look.texture;
    Size size = required.size() != null ? required.size() : look.size;
    double radius = size == Size.SMALL ? dice.between(6.6, 7.8) : dice.between(10.5, 12.5);
    Rgb tone = jitter(color.rgb(), dice, 0.045);
    Rgb secondTone = color.isLight() ? tone.affine(0.25, 0) : tone.affine(0.25, 0.72);
    double rotation = dice.between(-.25, .25);
    return new SceneObject(
        required.shape(), color, texture, size, radius, 0, 0, rotation, tone, secondTone);
  }

  private static Rgb jitter(Rgb rgb, KeyedDice dice, double by) {
    return new Rgb(
        Rgb.clamp(rgb.red() + dice.between(-by, by)),
        Rgb.clamp(rgb.green() + dice.between(-by, by)),
        Rgb.clamp(rgb.blue() + dice.between(-by, by)));
  }

  private static SceneObject place(SceneObject object, KeyedDice dice) {
    double low = object.radius() + 1;
    double high = SceneRenderer.SIDE - low;
    return new SceneObject(
        object.shape(),
        object.color(),
        object.texture(),
        object.size(),
        object.radius(),
        dice.between(low, high),
        dice.between(low, high),
        object.rotation(),
        object.tone(),
        object.secondTone());
  }

  /** No two objects touch, and relations hold by a margin. */
  private static boolean isLegal(
      SceneRequirement requirement, List<SceneObject> objects, List<Integer> firstOf) {
    for (int i = 0; i < objects.size(); i++) {
      for (int j = 0; j < i; j++) {
        SceneObject a = objects.get(i);
        SceneObject b = objects.get(j);
        if (Math.hypot(a.x() - b.x(), a.y() - b.y()) < a.radius() + b.radius() + 1.5) {
          return false;
        }
      }
    }
    for (int i = 0; i < requirement.include().size(); i++) {
      for (Position position : requirement.include().get(i).positions()) {
        SceneObject subject = objects.get(firstOf.get(i));
        SceneObject other = objects.get(firstOf.get(position.of()));
        double dx = other.x() - subject.x();
        double dy = other.y() - subject.y();
        Relation relation = position.relation();
        if (relation.along(dx, dy) < 1.3 * relation.across(dx, dy)) {
          return false;
        }
      }
    }
    return true;
  }

  // ---------------------------------------------------------------- near misses

  /** The changes that a requirement admits. */
  static Set<Change> changes(SceneRequirement requirement) {
    List<ObjectRequirement> objects = requirement.include();
    Set<Change> changes = EnumSet.of(Change.SHAPE);
    if (objects.stream().anyMatch(o -> o.color() != null)) {
      changes.add(Change.COLOR);
    }
    if (objects.size() == 1) {
      changes.add(Change.COUNT);
      if (objects.get(0).count() == 1) {
        changes.add(Change.ADD);
      }
      if (objects.get(0).size() != null) {
        changes.add(Change.SIZE);
      }
    }
    if (objects.stream().anyMatch(o -> !o.positions().isEmpty())) {
      changes.add(Change.RELATION);
    }
    if (!swaps(objects).isEmpty()) {
      changes.add(Change.SWAP);
    }
    if (objects.stream().anyMatch(o -> o.texture() != null)) {
      changes.add(Change.TEXTURE);
    }
    return changes;
  }

  /**
   * A requirement with one thing changed, false of every scene of the original.
   *
   * @param requirement the original
   * @param change what to change
   * @param key where the choices come from
   * @return empty where the original admits no such change
   */
  public static Optional<NearMiss> nearMiss(
      SceneRequirement requirement, Change change, DrawKey key) {
    if (!changes(requirement).contains(change)) {
      return Optional.empty();
    }
    KeyedDice dice = new KeyedDice(key);
    List<ObjectRequirement> objects = new ArrayList<>(requirement.include());
    switch (change) {
      case COLOR ->
          replaceOne(
              objects,
              dice,
              ObjectRequirement::color,
              Color.values(),
              ObjectRequirement::withColor);
      case SHAPE ->
          replaceOne(
              objects,
              dice,
              ObjectRequirement::shape,
              Shape.values(),
              ObjectRequirement::withShape);
      case TEXTURE ->
          replaceOne(
              objects,
              dice,
              ObjectRequirement::texture,
              Texture.values(),
              ObjectRequirement::withTexture);
      case SIZE ->
          replaceOne(
              objects, dice, ObjectRequirement::size, Size.values(), ObjectRequirement::withSize);
      case COUNT -> {
        int count = objects.get(0).count();
        List<Integer> counts =
            Stream.of(count - 1, count + 1).filter(c -> c >= 1 && c <= MOST_OBJECTS).toList();
        return Optional.of(
            new NearMiss(exactly(objects.get(0).withCount(dice.choose(counts))), change));
      }
      case ADD -> {
        List<Shape> others = new ArrayList<>(List.of(Shape.values()));
        others.remove(objects.get(0).shape());
        objects.add(ObjectRequirement.of(dice.choose(others)));
      }
      case RELATION -> changeRelation(objects, dice);
      case SWAP -> dice.choose(swaps(objects)).accept(objects);
    }
    boolean exact = !requirement.exclude().isEmpty();
    return Optional.of(
        new NearMiss(
            exact ? exactly(objects.get(0)) : all(objects.toArray(ObjectRequirement[]::new)),
            change));
  }

  /** Gives one stated attribute a value that no object has. */
  private static <T> void replaceOne(
      List<ObjectRequirement> objects,
      KeyedDice dice,
      Function<ObjectRequirement, @Nullable T> attribute,
      T[] values,
      BiFunction<ObjectRequirement, T, ObjectRequirement> with) {
    List<Integer> stated = new ArrayList<>();
    for (int i = 0; i < objects.size(); i++) {
      if (attribute.apply(objects.get(i)) != null) {
        stated.add(i);
      }
    }
    int index = dice.choose(stated);
    List<T> free = new ArrayList<>(List.of(values));
    // Where too few values are left, a value of another object will do: shapes tell them apart.
    free.remove(attribute.apply(objects.get(index)));
    List<T> unused = new ArrayList<>(free);
    objects.forEach(o -> unused.remove(attribute.apply(o)));
    objects.set(
        index, with.apply(objects.get(index), dice.choose(unused.isEmpty() ? free : unused)));
  }

  private static void changeRelation(List<ObjectRequirement> objects, KeyedDice dice) {
    int subject = 0;
    while (objects.get(subject).positions().isEmpty()) {
      subject++;
    }
    List<Position> positions = new ArrayList<>(objects.get(subject).positions());
    int index = (int) (dice.next() * positions.size());
    Position old = positions.get(index);
    if (positions.size() == 1 && dice.chance(0.25)) {
      ObjectRequirement a = objects.get(subject);
      ObjectRequirement b = objects.get(old.of());
      objects.set(subject, b.withPositions(positions));
      objects.set(old.of(), a.withPositions(List.of()));
      return;
    }
    List<Relation> others = new ArrayList<>(List.of(Relation.values()));
    others.remove(old.relation());
    Relation changed = dice.chance(0.7) ? old.relation().opposite() : dice.choose(others);
    positions.set(index, new Position(changed, old.of()));
    objects.set(subject, objects.get(subject).withPositions(positions));
  }

  /** The attributes that the first two objects can swap. */
  private static List<Consumer<List<ObjectRequirement>>> swaps(List<ObjectRequirement> objects) {
    List<Consumer<List<ObjectRequirement>>> swaps = new ArrayList<>();
    if (objects.size() < 2) {
      return swaps;
    }
    addSwap(swaps, objects, ObjectRequirement::color, ObjectRequirement::withColor);
    addSwap(swaps, objects, ObjectRequirement::texture, ObjectRequirement::withTexture);
    addSwap(swaps, objects, ObjectRequirement::size, ObjectRequirement::withSize);
    return swaps;
  }

  private static <T> void addSwap(
      List<Consumer<List<ObjectRequirement>>> swaps,
      List<ObjectRequirement> objects,
      Function<ObjectRequirement, @Nullable T> attribute,
      BiFunction<ObjectRequirement, T, ObjectRequirement> with) {
    T first = attribute.apply(objects.get(0));
    T second = attribute.apply(objects.get(1));
    if (first != null && second != null && first != second) {
      swaps.add(
          list -> {
            list.set(0, with.apply(list.get(0), second));
            list.set(1, with.apply(list.get(1), first));
          });
    }
  }
}
