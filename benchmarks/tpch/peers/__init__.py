"""One file a peer, each run as a process of its own by the Python of its own environment."""
