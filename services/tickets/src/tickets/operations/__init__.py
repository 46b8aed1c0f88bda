"""What the desk does: one file for each thing, one transaction for each call, the facts it publishes included."""
