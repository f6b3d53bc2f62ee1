"""Series, candidates, backtest, choice, intervals, gate; no IO."""
