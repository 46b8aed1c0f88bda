"""One run: the rules that need no model, the five tools, the models that use them, and the check of what they say."""
