"""Who is this? Identity keeps one customer for every address and number that writes to us, and answers, for any
identifier, which customer it belongs to. It creates exactly one customer for a new identifier, however many ask at
once, and remembers which identifiers a provider has vouched for."""
