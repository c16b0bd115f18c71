"""The training loop, on rows from any source: arrays in memory, shards, or a live trunk.

All trainings use this loop, so that cached and live training differ only in the source of a batch:
the same seed gives the same order, the same dropout and the same steps.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.errors import DivergedError, HeadSpecError, SettingError
from pipeline.progress import progress_bar
from pipeline.stage_two.dense.batches import Source
from pipeline.stage_two.dense.checkpoint import HISTORY_KEYS, State, load_checkpoint, save_checkpoint
from pipeline.stage_two.dense.measures import Measure, measure_of
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.spec import parse_settings
from pipeline.tasks.task import Task
from pipeline.watchdog import Moved, ignore, watch

logger = logging.getLogger(__name__)

_OPTIMIZERS = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
_PLATEAU_PATIENCE, _PLATEAU_FACTOR = 3, 0.3
_EVALUATION_BATCH = 128
_FUSED_FROM = 100_000_000
"""Number of trained values times steps from which compiling the update pays off: it takes 0.35 seconds, and saves about 3 ns per value
and step."""

Forward = Callable[..., tf.Tensor]
"""inputs, training: bool -> output of the head, (B, units)."""

Infer = Callable[[tf.Tensor], tf.Tensor]
"""inputs -> output of the head without dropout, (B, units)."""


@dataclass(frozen=True)
class Group:
    """Variables that share an optimizer."""

    variables: Sequence[keras.Variable]
    optimizer: keras.optimizers.Optimizer
    rate: float


def train(
    model: keras.Model,
    forward: Forward,
    groups: Sequence[Group],
    task: Task,
    source: Source,
    validation: Source,
    training: Training,
    *,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
    progress: bool = False,
    steps: list[float] | None = None,
) -> list[dict[str, float]]:
    """Train for the epochs in the settings, and leave the kept weights in the model.

    Args:
        model: The model that is trained: head, or tail and head.
        forward: Inputs to output. It differs from the model if a frozen trunk runs live before it.
        groups: Trainable variables with their optimizers.
        task: What is asked, which decides on the loss.
        source: Training rows.
        validation: Validation rows.
        training: Epochs, batch size, schedule, patience, which weights to keep, seed.
        checkpoint: Written after each epoch and read at the start, so that an interrupted training continues. The caller
            removes it in the end. A damaged checkpoint is renamed.
        on_epoch: Called after each epoch; if a training continues from a checkpoint, first for the epochs in it.
        progress: Show a progress bar.
        steps: Filled with the loss of each step.

    Returns:
        One entry per epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds. Training
        loss and accuracy are means over the steps of the epoch, with dropout, as Keras reports them.

    Raises:
        DivergedError: The loss became NaN or infinite, and no weights of an earlier epoch are kept.
    """
    num_steps = training.epochs * math.ceil(len(source.y) / training.batch_size)
    score = task.history_words[1].replace(" ", "_")
    measure = measure_of(task, model.output_shape[-1], source.y, training.loss)
    take_steps = make_steps(forward, groups, measure, training.batch_size, num_steps)
    infer = compile_inference(forward)
    for group in groups:
        group.optimizer.build(group.variables)
    variables = _variables(model, groups)
    state = _resume(checkpoint, variables, model, on_epoch)
    bar = progress_bar(total=training.epochs, initial=state.epoch, desc="training", unit="epoch", progress=progress)
    kept = "the same command continues from there" if checkpoint else "this training does not keep checkpoints"
    with watch("Training") as moved, bar:
        while state.epoch < training.epochs and not (training.patience and state.waited >= training.patience):
            start = time.perf_counter()
            rate = _set_rates(groups, training, state)
            row = _run_epoch(take_steps, infer, measure, source, validation, training, state.epoch, steps, moved)
            row |= {"epoch": state.epoch + 1, "learning_rate": rate, "seconds": time.perf_counter() - start}
            _note(state, row, model, training)
            if checkpoint:
                save_checkpoint(checkpoint, state, variables)
            moved(f"{state.epoch} of {training.epochs} epochs were done; {kept}.")
            if on_epoch:
                on_epoch(state.history[-1])
            bar.set_postfix({"val_loss": f"{row['val_loss']:z.3f}", f"val_{score}": f"{row['val_accuracy']:.3f}"})
            bar.update()
    _keep_weights(model, state, training)
    return state.history


def _resume(
    checkpoint: Path | None, variables: Sequence[keras.Variable], model: keras.Model, on_epoch: OnEpoch | None
) -> State:
    """The state after the epochs in the checkpoint, or a new one."""
    state = load_checkpoint(checkpoint, variables, model.weights) if checkpoint else State()
    if state.epoch:
        logger.info("The training continues after epoch %d, where it was interrupted.", state.epoch)
    if on_epoch:
        for row in state.history:
            on_epoch(row)
    return state


def _keep_weights(model: keras.Model, state: State, training: Training) -> None:
    """Leave the best weights in the model, if they are kept; otherwise those of the last epoch, which must be finite."""
    if training.keep == "best" and state.best:
        model.set_weights(state.best)
    elif not math.isfinite(state.history[-1]["val_loss"]):
        raise DivergedError(
            "The training diverged: its loss became NaN or infinite. Choose a smaller learning rate. "
            f"Received: {training.learning_rate:g} with {training.optimizer}."
        )


def make_group(variables: Sequence[keras.Variable], training: Training, rate: float | None = None) -> Group:
    """Variables with their own optimizer.

    Args:
        variables: The variables that it updates.
        training: Names the optimizer and its settings.
        rate: Learning rate; None: that of the training.

    Raises:
        SettingError: The optimizer, or one of its settings, is unknown.
    """
    name, _, rest = training.optimizer.partition(":")
    if name not in _OPTIMIZERS:
        raise SettingError(f"The optimizer is one of {', '.join(_OPTIMIZERS)}. Received: {training.optimizer!r}.")
    rate = training.learning_rate if rate is None else rate
    try:
        settings = {key: float(value) for key, value in parse_settings(rest).items()}
        return Group(list(variables), _OPTIMIZERS[name](learning_rate=rate, **settings), rate)
    except (TypeError, ValueError, HeadSpecError) as error:
        raise SettingError(f"The optimizer {training.optimizer!r} cannot be made: {error}") from error


Steps = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Inputs, targets and weights of a block -> loss of each step, number of right predictions."""


def make_steps(forward: Forward, groups: Sequence[Group], measure: Measure, batch_size: int, num_steps: int) -> Steps:
    """One compiled function that runs all steps of a block: loss, gradients and update, without returning to Python.

    Args:
        forward: Inputs to output.
        groups: Trainable variables with their optimizers.
        measure: Loss and score.
        batch_size: Inputs per step.
        num_steps: Of the whole training; for a few, compiling the update is not worth it.
    """
    variables = [variable for group in groups for variable in group.variables]
    updates = [_make_update(group, num_steps) for group in groups]

    def step(inputs: tf.Tensor, y: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            output = forward(inputs, training=True)
            loss = tf.reduce_mean(measure.loss(output, y) * weights)
        correct = tf.reduce_sum(measure.right(output, y))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        start = 0
        for group, update in zip(groups, updates, strict=True):
            update(gradients[start : start + len(group.variables)])
            start += len(group.variables)
        return loss, correct

    def steps(inputs: tf.Tensor, y: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        number = (tf.shape(y)[0] + batch_size - 1) // batch_size

        def take(index: tf.Tensor, losses: tf.TensorArray, num_correct: tf.Tensor) -> tuple[Any, ...]:
            batch = slice(index * batch_size, (index + 1) * batch_size)
            loss, correct = step(inputs[batch], y[batch], weights[batch])
            return index + 1, losses.write(index, loss), num_correct + correct

        nothing = (tf.constant(0), tf.TensorArray(tf.float32, size=number), tf.constant(0.0))
        _, losses, num_correct = tf.while_loop(lambda index, *_: index < number, take, nothing)
        return losses.stack(), num_correct

    compiled: Steps = _compile(steps, reduce_retracing=True)
    return compiled


def _make_update(group: Group, num_steps: int) -> Callable[[Sequence[tf.Tensor]], None]:
    """The update of the optimizer. For many values and steps it is compiled, so that each value is read and written once."""

    def update(gradients: Sequence[tf.Tensor]) -> None:
        group.optimizer.apply(gradients, group.variables)

    num_values = sum(int(np.prod(variable.shape)) for variable in group.variables)
    if num_values * num_steps < _FUSED_FROM:
        return update
    fused: Callable[[Sequence[tf.Tensor]], None] = _compile(update, jit_compile=True)
    return fused


def _run_epoch(
    take_steps: Steps,
    infer: Infer,
    measure: Measure,
    source: Source,
    validation: Source,
    training: Training,
    epoch: int,
    steps: list[float] | None,
    moved: Moved,
) -> dict[str, float]:
    order = source.order(training.seed, epoch)
    losses, correct, sizes = _take_epoch(take_steps, source, order, training.batch_size, epoch, moved)
    if steps is not None:
        steps.extend(losses.tolist())
    val_loss, val_accuracy = measure.evaluate(predict(infer, validation, moved), validation.y)
    return {
        "loss": float(np.average(losses, weights=sizes)),
        "accuracy": correct / len(order),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
    }


def _take_epoch(
    take_steps: Steps, source: Source, order: NDArray[np.int64], batch_size: int, epoch: int, moved: Moved
) -> tuple[NDArray[np.float32], float, NDArray[np.int64]]:
    """Loss of each step, number of right predictions, and number of images in each step."""
    losses, num_correct, sizes, done, targets = [], 0.0, [], 0, source.y
    weights = np.ones(len(targets), np.float32) if source.weights is None else source.weights.astype(np.float32)
    for inputs in source.blocks(order, batch_size, epoch=epoch):
        here = order[done : done + len(inputs)]
        loss, count = take_steps(tf.constant(inputs), tf.constant(targets[here]), tf.constant(weights[here]))
        losses.append(loss.numpy())
        num_correct += float(count)
        sizes += [min(batch_size, len(inputs) - start) for start in range(0, len(inputs), batch_size)]
        done += len(inputs)
        moved()
    return np.concatenate(losses), num_correct, np.array(sizes)


def compile_inference(forward: Forward, row_shape: Sequence[int] | None = None) -> Infer:
    """The forward pass without dropout, as one compiled function.

    Args:
        forward: Inputs to output.
        row_shape: Shape of one row, if the inputs are rows: then batches of all sizes share one graph.
    """
    rows = [tf.TensorSpec((None, *row_shape), tf.float32)] if row_shape is not None else None
    compiled: Infer = _compile(
        lambda inputs: forward(inputs, training=False), input_signature=rows, reduce_retracing=True
    )
    return compiled


def _compile(function: Callable[..., Any], **settings: Any) -> Any:
    """A TensorFlow graph. Layers have no Python branches on values, so nothing is rewritten, which takes longer than the tracing."""
    return tf.function(function, autograph=False, **settings)


def predict(infer: Infer, source: Source, moved: Moved = ignore) -> NDArray[np.float32]:
    """Outputs of all inputs in the order of the source, float32 (N, units)."""
    order, parts = source.reading_order(), []
    for inputs in source.blocks(order, _EVALUATION_BATCH, epoch=-1):
        starts = range(0, len(inputs), _EVALUATION_BATCH)
        parts += [infer(tf.constant(inputs[start : start + _EVALUATION_BATCH])).numpy() for start in starts]
        moved()
    return np.concatenate(parts)[np.argsort(order)]


def _set_rates(groups: Sequence[Group], training: Training, state: State) -> float:
    factor = (
        training.cosine_rate(state.epoch) / training.learning_rate if training.schedule == "cosine" else state.factor
    )
    for group in groups:
        group.optimizer.learning_rate.assign(group.rate * factor)
    return training.learning_rate * factor


def _note(state: State, row: dict[str, float], model: keras.Model, training: Training) -> None:
    """Add an epoch to the state: history, best weights, epochs without a smaller loss."""
    state.epoch += 1
    state.history.append({key: row[key] for key in HISTORY_KEYS})
    if row["val_loss"] < state.best_loss:
        state.best_loss, state.waited, state.plateau_waited = row["val_loss"], 0, 0
        state.best = model.get_weights() if training.keep == "best" else []
        return
    state.waited += 1
    state.plateau_waited += 1
    if training.schedule == "plateau" and state.plateau_waited >= _PLATEAU_PATIENCE:
        state.factor, state.plateau_waited = state.factor * _PLATEAU_FACTOR, 0


def _variables(model: keras.Model, groups: Sequence[Group]) -> list[keras.Variable]:
    """Weights, the random state of dropout, and the variables of the optimizers."""
    return [*model.variables, *(variable for group in groups for variable in group.optimizer.variables)]
