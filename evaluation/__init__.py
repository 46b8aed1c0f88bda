"""What the agent is measured with: labelled messages and sentences, attacks, and a model of mood."""
