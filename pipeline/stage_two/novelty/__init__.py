"""How far images are from those that a head was trained on."""
