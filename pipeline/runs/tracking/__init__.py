"""Logging of trainings for other programs: TensorBoard and MLflow."""
