"""Vector search beside the specialists: `./dev bench vectors`."""
