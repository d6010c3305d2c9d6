"""What a verdict looks like: rendered from the results model alone."""
