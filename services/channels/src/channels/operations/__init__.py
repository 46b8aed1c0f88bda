"""What channels does. Each operation owns one transaction, events included."""

from channels.operations.decide import Decisions
from channels.operations.deliver import Deliveries
from channels.operations.dispatch import Dispatcher
from channels.operations.intake import Intake
from channels.operations.mailbox import Mailbox
from channels.operations.notices import Notices
from channels.operations.progress import Progress
from channels.operations.read import Records
from channels.operations.receipts import Receipts
from channels.operations.send import Patience, Sending
from channels.operations.submit import Caps, Origin, Submissions
from channels.operations.watch import Watch
from channels.operations.webhooks import GmailWebhooks, WhatsappWebhooks

__all__ = [
    "Caps",
    "Decisions",
    "Deliveries",
    "Dispatcher",
    "GmailWebhooks",
    "Intake",
    "Mailbox",
    "Notices",
    "Origin",
    "Patience",
    "Progress",
    "Receipts",
    "Records",
    "Sending",
    "Submissions",
    "Watch",
    "WhatsappWebhooks",
]
