package org.espalier.plugins;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;

/**
 * Plugins by id and settings, for programs that write no YAML.
 *
 * <pre>{@code
 * Plugins plugins = Plugins.onClassPath();
 * try (GenerativeModel model = plugins.model("infinity", Map.of("weights", "nano"));
 *     Verifier clip = plugins.verifier("clip", Map.of("weights", "nano"))) {
 *   SearchStrategy beam = plugins.strategy("beam", Map.of("width", 2));
 *   ...
 * }
 * }</pre>
 *
 * <p>Settings are those of a study: keys of the plugin's configuration record, numbers, texts,
 * lists and maps. They are checked in the same way, with the same messages.
 */
public final class Plugins {
  private final PluginRegistry registry;
  private final LoadContext machine;

  private Plugins(PluginRegistry registry, LoadContext machine) {
    this.registry = registry;
    this.machine = machine;
  }

  /**
   * All plugins of the class path, loaded onto the processor, with paths relative to the current
   * directory.
   *
   * @throws EspalierException PLUGIN_CONTRACT if two plugins share an id or one is broken
   */
  public static Plugins onClassPath() {
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    return of(
        PluginRegistry.discover(context == null ? Plugins.class.getClassLoader() : context),
        LoadContext.cpu());
  }

  /**
   * Plugins at hand.
   *
   * @param registry of the plugins
   * @param machine the device, memory and directory that they are loaded with
   */
  public static Plugins of(PluginRegistry registry, LoadContext machine) {
    return new Plugins(registry, machine);
  }

  /**
   * The same plugins on another machine or device.
   *
   * @param context made by {@link LoadContext#builder}
   */
  public Plugins with(LoadContext context) {
    return new Plugins(registry, context);
  }

  /**
   * A strategy.
   *
   * @param id of its provider
   * @param settings of its configuration record
   * @throws EspalierException CONFIG if there is none of this id, or a setting is wrong
   */
  public SearchStrategy strategy(String id, Map<String, ?> settings) {
    return registry.strategy(spec("strategy", id, settings)).strategy();
  }

  /**
   * Loads a model; the caller closes it.
   *
   * @param id of its provider
   * @param settings of its configuration record
   * @throws EspalierException CONFIG if there is none of this id, or a setting is wrong; RESOURCE
   *     if weights cannot be read
   */
  public GenerativeModel model(String id, Map<String, ?> settings) {
    return registry.model(spec("model", id, settings)).loader().apply(context());
  }

  /**
   * Loads a verifier; the caller closes it.
   *
   * @param id of its provider
   * @param settings of its configuration record
   * @throws EspalierException CONFIG if there is none of this id, or a setting is wrong; RESOURCE
   *     if weights cannot be read
   */
  public Verifier verifier(String id, Map<String, ?> settings) {
    return registry.verifier(spec("verifier", id, settings)).loader().apply(context());
  }

  private LoadContext context() {
    return machine.withVerifiers(
        member -> {
          Map<String, Object> settings = new LinkedHashMap<>(member);
          return verifier(String.valueOf(settings.remove("id")), settings);
        });
  }

  private static PluginSpec spec(String kind, String id, Map<String, ?> settings) {
    record One(PluginSpec plugin) {}
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("id", id);
    all.putAll(settings);
    ConfigTree tree = ConfigTree.of(kind, Map.of("plugin", all));
    return RecordBinder.bind(tree, tree.root(), "", One.class, Set.of()).plugin();
  }
}
