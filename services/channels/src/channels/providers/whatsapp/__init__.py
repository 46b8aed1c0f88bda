"""WhatsApp by Twilio: an ear for its signed webhooks, a mouth for its Messages API."""

from channels.providers.whatsapp.ear import TwilioEar
from channels.providers.whatsapp.mouth import WhatsApp

__all__ = ["TwilioEar", "WhatsApp"]
