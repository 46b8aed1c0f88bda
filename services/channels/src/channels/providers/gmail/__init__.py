"""E-mail, by Gmail: pushes are hints, mails are read from the mailbox, and answers go out in their threads."""
