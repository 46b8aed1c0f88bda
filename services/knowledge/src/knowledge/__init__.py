"""What do we know? Knowledge keeps the documents that may be quoted to customers, cut into passages under their
headings, every version of them for ever; and it finds, for a question in a customer's words, the passages of the newest
versions that answer it, with a score that says how far an answer may lean on them."""
