"""What is checked before the first row moves."""
