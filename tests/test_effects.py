"""Options that have an effect only together with others."""

import re

import pandas as pd
import pytest

import pipeline
from pipeline.cli.command import given_options
from pipeline.effects import EFFECTS, check_effects
from pipeline.errors import SettingError
from pipeline.keywords import gather, keywords_of
from tests.cli.commands import COMMANDS


def check_line(line):
    """Check a command line as the command does before it runs."""
    name, *words = line.split()
    context = COMMANDS[(name,)].make_context(name, words)
    check_effects(given_options(context), context.params)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "head photos --epochs 30",
            "--epochs has an effect only with a dense head, such as --head dense:256,relu. Received: --head ridge.",
        ),
        (
            "head photos --head logreg:C=1 --lr 0.1 --patience 3",
            "--lr, --patience have an effect only with a dense head",
        ),
        ("advise photos --bases vgg16,vgg19 --sample 9", "--sample has an effect only without a race of --bases"),
        ("advise photos --sizes 96,160 --size 96", "--size has an effect only without --sizes"),
        ("head photos --optimizer sgd", "--optimizer has an effect only with a dense head"),
        ("sweep photos --head ridge --head knn:k=1|3 --lr 0.1", "--lr has an effect only with a dense head"),
        ("compare photos --regimes linear --epochs 3", "--epochs has an effect only with a dense head"),
        ("head photos --head softmax --view-mode all", "--view-mode has an effect only with stored views"),
        (
            "features sklearn:digits --spool-gb 1",
            "--spool-gb has an effect only with a URL, or a table that may name some",
        ),
        ("features photos --tta", "--tta has an effect only with stored views"),
        ("features photos --view-seed 3", "--view-seed has an effect only with stored views"),
        ("compare photos --base-lr 0.00001", "--base-lr has an effect only where the base is trained"),
        ("compare photos --from block5", "--from has an effect only where the base is trained"),
        (
            "finetune photos --last 3 --on mine --head-epochs 3",
            "--head-epochs has an effect only where a head is trained first",
        ),
        ("finetune photos --last 3 --head-epochs 0 --lr 0.1", "--lr has an effect only where a head is trained first"),
        ("features photos --backend threading --gather", "--gather has an effect only with worker processes"),
        ("plan photos --photo 640x480", "--photo has an effect only without DATA"),
        ("plan --label kind", "--label has an effect only where DATA is read. Received: DATA none."),
        (
            "head photos --root elsewhere",
            "--root has an effect only with a table (.csv, .jsonl, .parquet) or a data frame",
        ),
        ("head photos --path-column file", "--path-column has an effect only with a table"),
        (
            "head photos --split-column fold",
            "--split-column has an effect only with a table, a data frame or named arrays",
        ),
        ("head photos.zip --label kind", "--label has an effect only with a table"),
        ("head a.npz --root x", "--root has an effect only with a table"),
        ("head keras:mnist --path-column x", "--path-column has an effect only with a table"),
        ("head a.csv --classes-from leaf", "--classes-from has an effect only with class folders"),
        ("head photos.zip --follow-links", "--follow-links has an effect only with a folder"),
    ],
)
def test_option_without_effect_is_refused(line, message, tmp_path):
    """The message names the option, its condition, and what came instead."""
    (tmp_path / "photos").mkdir()
    for name in ("a.csv", "a.npz", "photos.zip"):
        (tmp_path / name).touch()

    with pytest.raises(SettingError, match=f"^{re.escape(message)}"):
        check_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "head photos --head dense:8 --epochs 3 --lr 0.1",
        "head photos --seed 3",
        "sweep photos --epochs 3",
        "sweep photos --head ridge --head dense:8|16 --lr 0.1",
        "features photos --views 2 --augment r0 --tta",
        "compare photos --regimes finetune --from block5 --base-lr 0.1",
        "finetune photos --last 3 --lr 0.1",
        "head a.csv --root photos --label kind --path-column file",
        "head nowhere --classes-from leaf",
        "head photos --classes-from leaf --follow-links --ignore-column extra",
        "head keras:cifar100 --label fine",
        "plan --photo 640x480",
    ],
)
def test_option_with_an_effect_is_taken(line, tmp_path):
    """Conditions that hold, and those of paths that do not exist, whose error comes later, raise nothing."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.csv").touch()

    check_line(line)


def test_python_refuses_the_same():
    """A public function knows the keywords that were given, and its own parameters that are not the defaults."""
    with pytest.raises(SettingError, match="--epochs has an effect only with a dense head"):
        pipeline.fit("photos", "ridge", epochs=30)
    with pytest.raises(SettingError, match="--base-lr has an effect only where the base is trained"):
        pipeline.compare("photos", ("linear", "dense"), base_lr=0.1)
    with pytest.raises(
        SettingError, match=r"--label has an effect only where DATA is read\. Received: DATA the result of scan"
    ):
        gather({"label": "kind"}, pipeline.fit, data=pipeline.Manifest("x", (), (), (), (), ()), head="ridge")
    gather({"label": "kind"}, pipeline.verify_cache, data=pd.DataFrame({"path": ["a"]}), recompute=1)


def test_options_of_the_table_exist():
    """Each option in the table is a keyword of a public function."""
    functions = [getattr(pipeline, name) for name in pipeline.__all__ if name.islower()]
    known = {name for function in functions for name in keywords_of(function)}

    assert {name for effect in EFFECTS for name in (*effect.options, effect.shown)} <= known


def test_maximum_of_joined_bases_is_refused():
    """Their rows are averages of the parts' grids; an average, and a single base, are not."""
    with pytest.raises(SettingError, match="rows of joined bases are averages"):
        check_effects({"pool"}, {"pool": "max", "base": "vgg16+mobilenetv2"})
    check_effects({"pool"}, {"pool": "avg", "base": "vgg16+mobilenetv2"})
    check_effects({"pool"}, {"pool": "max", "base": "vgg16"})
