"""Spark ML models that others saved: their files, classes and SQL, checked before Spark sees any; then their stages."""
