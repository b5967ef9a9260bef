"""Text search beside the specialists: `./dev bench texts`."""
