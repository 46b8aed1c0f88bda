"""What channels does. Each operation owns one transaction, events included."""

from channels.operations.decide import Decisions
from channels.operations.deliver import Deliveries
from channels.operations.read import Records
from channels.operations.submit import Caps, Origin, Submissions
from channels.operations.watch import Watch
from channels.operations.webhooks import GmailWebhooks, WhatsappWebhooks

__all__ = [
    "Caps",
    "Decisions",
    "Deliveries",
    "GmailWebhooks",
    "Origin",
    "Records",
    "Submissions",
    "Watch",
    "WhatsappWebhooks",
]
