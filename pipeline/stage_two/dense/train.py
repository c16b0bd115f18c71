"""Training what is trainable, on rows from anywhere: arrays in memory, shards, or a live trunk.

One loop for all paths, so that cached and live training differ in where a batch comes from and in
nothing else: the same seed gives the same order, the same dropout and the same steps.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import DivergedError, HeadSpecError, SettingError
from pipeline.stage_two.dense.batches import Source
from pipeline.stage_two.dense.checkpoint import HISTORY_KEYS, State, load_checkpoint, save_checkpoint
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.metrics import LEAST_PROBABILITY
from pipeline.stage_two.spec import parse_settings
from pipeline.watchdog import Moved, ignore, watch

logger = logging.getLogger(__name__)

_OPTIMIZERS = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
_PLATEAU_PATIENCE, _PLATEAU_FACTOR = 3, 0.3
_EVALUATION_BATCH = 128
_FUSED_FROM = 100_000
"""Trained values from which on an update takes longer than it takes to compile."""

Forward = Callable[..., tf.Tensor]
"""inputs, training: bool -> output of the head."""

Infer = Callable[[tf.Tensor], tf.Tensor]


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
        model: What holds the variables that change (head, or tail and head).
        forward: Inputs to output; differs from the model when a frozen trunk runs live before it.
        groups: Trainable variables with their optimizers.
        source: Training rows.
        validation: Validation rows.
        training: Epochs, batch size, schedule, patience, what to keep, seed.
        checkpoint: Written after each epoch and read at the start, so that a killed training goes on; the caller removes it.
            A damaged one is set aside.
        on_epoch: Called after each epoch, and for the epochs before the checkpoint that a training goes on from.
        progress: Show a bar.
        steps: Filled with the loss of each step.

    Returns:
        One entry an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds. Training
        loss and accuracy are means over the epoch's steps, with dropout, as Keras reports them.

    Raises:
        DivergedError: The loss became something that is no number, and there is no epoch to go back to.
    """
    take_steps = make_steps(forward, groups, model.output_shape[-1], training.batch_size)
    infer = compile_inference(forward)
    for group in groups:
        group.optimizer.build(group.variables)
    variables = _variables(model, groups)
    state = load_checkpoint(checkpoint, variables, model.weights) if checkpoint else State()
    if state.epoch:
        logger.info("The training goes on from epoch %d, where it was stopped.", state.epoch)
    if on_epoch:
        for row in state.history:
            on_epoch(row)
    bar = tqdm(total=training.epochs, initial=state.epoch, desc="training", unit="epoch", delay=2, disable=not progress)
    kept = "the same command goes on from there" if checkpoint else "this training keeps none of them"
    with watch("Training") as moved, bar:
        while state.epoch < training.epochs and not (training.patience and state.waited >= training.patience):
            start = time.perf_counter()
            rate = _set_rates(groups, training, state)
            row = _run_epoch(take_steps, infer, source, validation, training, state.epoch, steps, moved)
            row |= {"epoch": state.epoch + 1, "learning_rate": rate, "seconds": time.perf_counter() - start}
            _note(state, row, model, training)
            if checkpoint:
                save_checkpoint(checkpoint, state, variables)
            moved(f"{state.epoch} of {training.epochs} epochs were done; {kept}.")
            if on_epoch:
                on_epoch(state.history[-1])
            bar.set_postfix(val_loss=f"{row['val_loss']:.3f}", val_accuracy=f"{row['val_accuracy']:.3f}")
            bar.update()
    if training.keep == "best" and state.best:
        model.set_weights(state.best)
    elif not math.isfinite(state.history[-1]["val_loss"]):
        raise DivergedError(
            "The training diverged: its loss is not a number. Choose a smaller learning rate. "
            f"Received: {training.learning_rate:g} with {training.optimizer}."
        )
    return state.history


def make_group(variables: Sequence[keras.Variable], training: Training, rate: float | None = None) -> Group:
    """Variables with an optimizer of their own.

    Raises:
        SettingError: An unknown optimizer or setting of it.
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


Steps = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Rows and labels of a block -> loss of each step, right answers in all."""


def make_steps(forward: Forward, groups: Sequence[Group], units: int, batch_size: int) -> Steps:
    """The steps of a block of rows, loss, gradients and update, in one compiled function: nothing returns to Python between."""
    variables = [variable for group in groups for variable in group.variables]
    measure, updates = _measure(units), [_make_update(group) for group in groups]

    def step(inputs: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss, correct = measure(forward(inputs, training=True), y)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        place = 0
        for group, update in zip(groups, updates, strict=True):
            update(gradients[place : place + len(group.variables)])
            place += len(group.variables)
        return loss, correct

    def steps(inputs: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        number = (tf.shape(y)[0] + batch_size - 1) // batch_size
        losses, right = tf.TensorArray(tf.float32, size=number), tf.constant(0)
        for place in tf.range(number):
            batch = slice(place * batch_size, (place + 1) * batch_size)
            loss, correct = step(inputs[batch], y[batch])
            losses = losses.write(place, loss)
            right += correct
        return losses.stack(), right

    compiled: Steps = tf.function(steps, reduce_retracing=True)
    return compiled


def _make_update(group: Group) -> Callable[[Sequence[tf.Tensor]], None]:
    """The optimizer's update; that of many variables is fused, so that each of them is read and written once."""

    def update(gradients: Sequence[tf.Tensor]) -> None:
        group.optimizer.apply(gradients, group.variables)

    num_values = sum(int(np.prod(variable.shape)) for variable in group.variables)
    fused: Callable[[Sequence[tf.Tensor]], None] = tf.function(update, jit_compile=num_values >= _FUSED_FROM)
    return fused


def _measure(units: int) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Mean cross-entropy and right answers, for one sigmoid or a softmax."""

    def binary(output: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        p = output[:, 0]
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(tf.cast(y, p.dtype)[:, None], output))
        return loss, tf.reduce_sum(tf.cast((p > 0.5) == (y > 0), tf.int32))

    def categorical(output: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, output))
        return loss, tf.reduce_sum(tf.cast(tf.argmax(output, axis=1) == y, tf.int32))

    return binary if units == 1 else categorical


def _run_epoch(
    take_steps: Steps,
    infer: Infer,
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
    val_loss, val_accuracy = evaluate(infer, validation, moved)
    return {
        "loss": float(np.average(losses, weights=sizes)),
        "accuracy": correct / len(order),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
    }


def _take_epoch(
    take_steps: Steps, source: Source, order: NDArray[np.int64], batch_size: int, epoch: int, moved: Moved
) -> tuple[NDArray[np.float32], int, NDArray[np.int64]]:
    """Loss of each step, right answers in all, and images of each step."""
    losses, right, sizes, done, labels = [], 0, [], 0, source.y
    for inputs in source.blocks(order, batch_size, epoch=epoch):
        y = labels[order[done : done + len(inputs)]]
        loss, count = take_steps(tf.constant(inputs), tf.constant(y))
        losses.append(loss.numpy())
        right += int(count)
        sizes += [min(batch_size, len(inputs) - start) for start in range(0, len(inputs), batch_size)]
        done += len(inputs)
        moved()
    return np.concatenate(losses), right, np.array(sizes)


def compile_inference(forward: Forward) -> Infer:
    """The forward pass without dropout, as one function."""
    compiled: Infer = tf.function(lambda inputs: forward(inputs, training=False), reduce_retracing=True)
    return compiled


def evaluate(infer: Infer, source: Source, moved: Moved = ignore) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    output, y = predict(infer, source, moved), source.y
    if output.shape[1] == 1:
        output = np.concatenate([1 - output, output], axis=1)
    picked = output[np.arange(len(y)), y]
    return float(-np.log(np.clip(picked, LEAST_PROBABILITY, 1)).mean()), float((output.argmax(axis=1) == y).mean())


def predict(infer: Infer, source: Source, moved: Moved = ignore) -> NDArray[np.float32]:
    """Outputs of all rows in order, float32 (N, units)."""
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
    """Take an epoch into the state: history, best weights, waiting times."""
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
    """Weights, the state of dropout's random numbers, and the optimizers' own."""
    return [*model.variables, *(variable for group in groups for variable in group.optimizer.variables)]
