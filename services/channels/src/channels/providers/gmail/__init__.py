"""E-mail, by Gmail: pushes are hints, mails are read from the mailbox, and answers go out in their threads.

In: `push` proves a hint, `mailbox` fetches what came in, `ear` makes of its bytes what the house knows of a mail, by
`headers`, `mime`, `html`, `quotes` (its words), `sender` (who, and whether that is proved), `loops` and `bounces` (what
nobody answers). Out: `mouth` sends and looks up what `letter` writes, in the `language` of the answer. Both go by
`client` over `transport`, which never repeats a send.
"""
