"""The mesh's one door: Envoy's configuration, rendered from the contracts, the access table and the built web form.

A new RPC with a `google.api.http` annotation is reachable over REST, and guarded as the access table says, without an
edit here.
"""
