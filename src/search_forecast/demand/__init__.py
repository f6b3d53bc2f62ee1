"""Demand forecasts from gold: train, promote, score, monitor; the rules are in forecasting/ and monitoring/, no IO."""
