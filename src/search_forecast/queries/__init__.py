"""SQL on gold: the queries that people know (`catalogue`), and their answers."""
