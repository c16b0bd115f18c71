"""The honest opponent: live photographs through the whole network, fresh augmentation every epoch."""
