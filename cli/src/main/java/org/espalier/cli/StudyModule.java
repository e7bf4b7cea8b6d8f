package org.espalier.cli;

import com.google.inject.AbstractModule;
import com.google.inject.Provides;
import com.google.inject.Singleton;
import org.espalier.engine.SearchEngine;
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
    return PluginRegistry.discover(plugins);
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
