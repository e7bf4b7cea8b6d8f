package org.espalier.cli;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import java.util.List;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.PluginLoader;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.Studies;

/** Puts the parts together; the one place that knows them all. */
public final class StudyModule extends AbstractModule {
  private final ClassLoader plugins;

  /**
   * @param plugins where plugins are found
   */
  public StudyModule(ClassLoader plugins) {
    this.plugins = plugins;
  }

  @Provides
  @Singleton
  PluginRegistry registry() {
    List<PluginLoader> outside =
        PluginLoader.onPath(System.getProperty("espalier.plugins", ""), plugins);
    PluginRegistry registry = PluginRegistry.discover(plugins, outside);
    if (!outside.isEmpty()) {
      // Bundles of weights are found through it, by this thread and those that it starts.
      Thread.currentThread().setContextClassLoader(registry.loader());
    }
    return registry;
  }

  @Provides
  @Singleton
  SearchEngine engine() {
    return new SearchEngine();
  }

  @Provides
  @Singleton
  Studies studies(PluginRegistry registry, SearchEngine engine) {
    return new Studies(registry, engine);
  }
}
