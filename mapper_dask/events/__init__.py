"""Events of runs: reported to hooks, shown on displays, and exported to other systems."""
