"""The model of what customers mean: the messages it is trained on, and how."""
