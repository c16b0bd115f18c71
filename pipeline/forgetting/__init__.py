"""Forgetting images: their rows, what runs know of them, and heads that were trained on them."""
