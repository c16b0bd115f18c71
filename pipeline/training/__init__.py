"""From data to a run: heads on cached rows, sweeps, fine-tuning."""
