"""Upkeep of a lakehouse: is it whole, and what keeps it small and fast."""
