"""What one worker does with one chunk: extract, transform, encode, load."""
