"""What works where TensorFlow is not installed, and what says that it needs it: a program, run by `test_light`.

Arguments: images, cache. The cache has their rows.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import pipeline
from pipeline.errors import MissingExtraError

images, cache = sys.argv[1:3]
usual = {"base": "squeezenet", "size": 48, "weights": "random", "cache": cache}
assert find_spec("tensorflow") is None

data = pipeline.scan(images)
for head in ("ridge", "logreg"):
    run = pipeline.fit(data, head, name=head, **usual)
    assert run.scores["validation"].accuracy > 0.9
assert pipeline.sweep(data, ["ridge", "logreg"], name="best", **usual).best.name == "best"
assert pipeline.evaluate("ridge", images, cache=cache).scores.accuracy > 0.9
assert pipeline.predict("logreg", [Path(images, "test", "red", "red000.png")], cache=cache)[0].label == "red"
assert pipeline.report(["ridge", "logreg"]).path.exists()
assert not [name for name in sys.modules if name.startswith("keras")]

fresh = {**usual, "size": 64}
for name, work in {
    "extract": lambda: pipeline.extract(data, **fresh),
    "dense": lambda: pipeline.fit(data, "dense:4,relu", **usual),
    "sweep": lambda: pipeline.sweep(data, ["ridge", "dense:4,relu"], **usual),
    "finetune": lambda: pipeline.finetune(data, last=1, **usual),
    "end to end": lambda: pipeline.end_to_end(data, **usual),
    "export": lambda: pipeline.export("ridge", "model.keras"),
    "classify": lambda: pipeline.classify([Path(images, "test", "red", "red000.png")]),
}.items():
    try:
        work()
    except MissingExtraError as error:
        if "pip install 'tensorflow==" not in str(error):
            raise
        continue
    raise AssertionError(f"{name} needs TensorFlow, and did not say so.")
sys.stdout.write("light\n")
