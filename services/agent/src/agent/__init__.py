"""Thinks: for each message that the desk has filed, one run that ends in exactly one way. The agent reads the
conversation from the desk, checks the rules that need no model, lets a model work with five tools whose order is held
in code, and gives the desk one command: say this reply, or call a person. It keeps a record of every run, step by
step."""
