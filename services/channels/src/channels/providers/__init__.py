"""One module for each channel: its ear and its mouth."""
