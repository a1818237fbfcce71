"""What runs tell while they work: to hooks, to displays, and to systems that gather events."""
