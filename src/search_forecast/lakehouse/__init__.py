"""Where tables lie: their contracts, reading and writing them, sessions, the lock, scratch files."""
