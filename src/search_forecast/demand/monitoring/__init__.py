"""How past forecasts did, whether demand has changed, and whether to train again; no IO."""
