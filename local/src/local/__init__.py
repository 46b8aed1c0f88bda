"""The embedded default: everything the mesh needs, on one machine, without containers or keys.

It starts PostgreSQL, Kafka, the five services and the gateway as children of one supervisor, and stops them again.
The same parts serve the tests (`local.fixtures`) and the benches (`local.mesh`).
"""
