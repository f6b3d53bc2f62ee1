"""Runs the bundle's jobs on this machine: reads databricks.yml and resources/, resolves them, runs the task graph."""
