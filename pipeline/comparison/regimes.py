"""The regimes that `compare` can train, in words. Loads nothing, so that the command line can complete their names."""

REGIMES = {
    "linear": "logistic regression on cached features",
    "dense": "dense head on cached features",
    "cached-finetune": "fine-tuning from cached features",
    "endtoend": "dense head end to end, live and augmented",
    "finetune": "fine-tuning end to end, live and augmented",
}
