"""What channels does. Each operation owns one transaction, events included."""

from channels.operations.deliver import Deliveries
from channels.operations.read import Records
from channels.operations.submit import Caps, Origin, Submissions
from channels.operations.watch import Watch

__all__ = ["Caps", "Deliveries", "Origin", "Records", "Submissions", "Watch"]
