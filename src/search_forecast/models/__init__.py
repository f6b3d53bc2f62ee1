"""Models of others and small ones of one's own: registry, archives, Spark ML files, scoring, regression."""
