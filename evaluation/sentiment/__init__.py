"""A small model of a customer's mood, how it is trained, and how well it does."""
