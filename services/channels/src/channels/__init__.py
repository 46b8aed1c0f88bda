"""Ear and mouth: channels takes in what customers write, on the web and by the providers' ways, makes it durable and
publishes it once, and delivers what they are answered on the channel they asked by. It calls no other service, so that
a customer can always write to us, whatever else is down."""
