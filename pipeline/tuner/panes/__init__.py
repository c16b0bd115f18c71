"""What the page shows of a head's predictions, for each kind of task."""
