"""The desk: every message a customer sends is filed here before anyone thinks about it, each ticket's state lives here,
and here alone it is decided whether something may be said to a customer."""
