"""Every test of the repository may ask for the real PostgreSQL and the real Kafka."""

pytest_plugins = ["local.fixtures"]
