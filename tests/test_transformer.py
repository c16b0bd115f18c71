"""The scikit-learn transformer."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from pipeline import FeatureExtractor
from pipeline.errors import DataNotFoundError, SettingError, UnknownBaseError, UnreadableImageError
from tests.conftest import draw_photo

RANDOM = {"base": "squeezenet", "size": 48, "weights": "random"}
NO_DEVICE = "no such device"
"""A network cannot be loaded on it, so whatever works with it comes from the store."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that the first test fills, and the others find full."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def images(photos):
    """24 training photographs of two classes, as paths with labels."""
    paths = sorted((photos / "train").rglob("*.png"))
    return paths, [path.parent.name for path in paths]


@pytest.fixture
def extractor(cache, images):
    """An extractor whose rows are all in the store."""
    extractor = FeatureExtractor(**RANDOM, cache=cache)
    extractor.transform(images[0])
    return extractor


def shards(cache):
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.h5")}


def test_features_are_one_row_an_image(extractor, images):
    """Paths become pooled features, one float32 row each, in the order of the paths."""
    paths, _ = images
    X = extractor.transform(paths)
    order = np.random.default_rng(0).permutation(len(paths))

    assert X.shape == (24, 512)
    assert X.dtype == np.float32
    assert np.array_equal(extractor.transform([paths[number] for number in order]), X[order])
    assert len(np.unique(X, axis=0)) == 24


def test_same_image_may_stand_more_than_once(extractor, images):
    """A list with repetitions, as a bootstrap draws it, gives the same row again."""
    paths, _ = images
    X = extractor.transform([paths[0], paths[1], paths[0]])

    assert np.array_equal(X[0], X[2])
    assert not np.array_equal(X[0], X[1])


def test_paths_may_be_text_or_an_array(extractor, images):
    """Paths are paths as objects, as text, or in an array of numpy."""
    paths, _ = images
    X = extractor.transform(paths[:3])

    assert np.array_equal(extractor.transform([str(path) for path in paths[:3]]), X)
    assert np.array_equal(extractor.transform(np.array([str(path) for path in paths[:3]])), X)


def test_second_call_computes_nothing(extractor, cache, images):
    """Rows that are there are read: no new shard, and no network is even loaded."""
    paths, _ = images
    before = shards(cache)
    warm = FeatureExtractor(**RANDOM, cache=cache, device=NO_DEVICE)

    assert np.array_equal(warm.transform(paths), extractor.transform(paths))
    assert shards(cache) == before


def test_new_image_needs_the_network(extractor, cache, tmp_path):
    """An image that the store does not know is computed, so a device that does not exist is noticed."""
    new = draw_photo(tmp_path / "new.png", (10, 200, 30), seed=999)

    with pytest.raises(SettingError, match=f"No device '{NO_DEVICE}'"):
        FeatureExtractor(**RANDOM, cache=cache, device=NO_DEVICE).transform([new])


@pytest.mark.parametrize(("pool", "width"), [("avg", 512), ("max", 512), ("none", 2048)])
def test_pooling_is_done_on_reading(pool, width, extractor, cache, images):
    """One store of grids serves average, maximum and the flattened grid."""
    before = shards(cache)
    X = FeatureExtractor(**RANDOM, cache=cache, pool=pool, device=NO_DEVICE).transform(images[0])
    grid = FeatureExtractor(**RANDOM, cache=cache, pool="none").transform(images[0]).reshape(24, 4, 512)
    expected = {"avg": grid.mean(axis=1), "max": grid.max(axis=1), "none": grid.reshape(24, 2048)}[pool]

    assert X.shape == (24, width)
    assert np.allclose(X, expected, rtol=1e-5)
    assert shards(cache) == before


def test_works_in_a_pipeline(extractor, images):
    """Extractor and classifier are one estimator that fits on paths and predicts from paths."""
    paths, labels = images
    model = make_pipeline(extractor, LogisticRegression(max_iter=1000)).fit(paths, labels)

    assert set(model.predict(paths)) <= {"red", "blue"}
    assert model.predict_proba(paths[:2]).shape == (2, 2)


def test_grid_search_hits_the_cache(extractor, cache, images):
    """Every fold and every setting after the first extraction finds its rows in the store."""
    paths, labels = images
    before = shards(cache)
    model = make_pipeline(FeatureExtractor(**RANDOM, cache=cache, device=NO_DEVICE), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": [0.01, 1.0], "featureextractor__pool": ["avg", "max"]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(paths, labels)

    assert len(search.cv_results_["params"]) == 4
    assert search.predict(paths[:1])[0] in {"red", "blue"}
    assert shards(cache) == before


def test_clone_has_the_same_settings(cache):
    """A clone is another object with the same settings."""
    extractor = FeatureExtractor(**RANDOM, cache=cache, pool="max", batch_size=7)
    copy = clone(extractor)

    assert copy is not extractor
    assert copy.get_params() == extractor.get_params()


def test_settings_can_be_read_and_set():
    """Every setting of the constructor is a parameter, with the defaults of the command line."""
    extractor = FeatureExtractor()

    assert extractor.get_params() == {
        "base": "vgg16",
        "size": None,
        "cut": None,
        "pool": "avg",
        "preprocess": "native",
        "weights": "imagenet",
        "resize": "lanczos",
        "exif": True,
        "aspect": "stretch",
        "background": None,
        "decoder": 2,
        "cache": "features_cache",
        "engine": "auto",
        "batch_size": 32,
        "device": "auto",
        "max_pixels": 89_478_485,
        "progress": None,
    }
    assert extractor.set_params(base="squeezenet", pool="none").get_params()["base"] == "squeezenet"
    assert extractor.pool == "none"
    with pytest.raises(ValueError, match="Invalid parameter 'backbone'"):
        extractor.set_params(backbone="vgg16")


def test_nothing_has_to_be_fitted(extractor, images):
    """The trunk is frozen: transform needs no fit, and fit returns the extractor itself."""
    check_is_fitted(extractor)

    assert extractor.fit(images[0]) is extractor


def test_arrays_of_pixels_are_images(cache):
    """An array (N, H, W, 3) of integers, and the same as floats in [0, 1], are the same images."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3)).astype(np.uint8)
    extractor = FeatureExtractor(**RANDOM, cache=cache)
    X = extractor.transform(pixels)

    assert X.shape == (4, 512)
    assert np.array_equal(extractor.transform(pixels.astype(np.float32) / 255), X)


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "PIL", "array", "column", "frame"])
def test_images_come_in_many_kinds(kind, extractor, images):
    """Rows are those of the files, for one image as for a list of them."""
    paths = images[0][:3]
    convert = {
        "path": lambda path: path,
        "text": str,
        "bytes": lambda path: path.read_bytes(),
        "PIL": Image.open,
        "array": lambda path: np.asarray(Image.open(path)),
    }
    if kind == "column":
        given = [np.array([[str(path)] for path in paths]), np.array([[str(paths[0])]])]
    elif kind == "frame":
        given = [pd.DataFrame({"path": [str(path) for path in part]}) for part in (paths, paths[:1])]
    else:
        given = [[convert[kind](path) for path in paths], convert[kind](paths[0])]
    expected = extractor.transform(paths)

    assert np.allclose(extractor.transform(given[0]), expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(extractor.transform(given[1]), expected[:1], rtol=1e-4, atol=1e-5)


def test_one_picture_is_one_row(extractor):
    """An array (64, 64, 3) is one image, and not 64 grey ones of 64 x 3."""
    assert extractor.transform(np.zeros((64, 64, 3), np.uint8)).shape == (1, 512)
    assert extractor.transform(np.zeros((2, 64, 64), np.uint8)).shape == (2, 512)


def test_unreadable_bytes_are_an_error(extractor, images):
    """Among images in memory as among files, the first one that cannot be read is named by its place."""
    with pytest.raises(UnreadableImageError, match=r"^1 of 2 images cannot be read; the first: #1: not an image"):
        extractor.transform([images[0][0].read_bytes(), b"no image"])
    with pytest.raises(UnreadableImageError, match=r"^The image cannot be read: #0: not an image"):
        extractor.transform(b"no image")


def test_unreadable_image_is_an_error(extractor, images, tmp_path):
    """Rows and labels must stay paired, so an image that cannot be read is named and none is left out."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    paths, _ = images

    with pytest.raises(
        UnreadableImageError, match=f"1 of 3 images cannot be read; the first: {re.escape(str(broken))}: "
    ):
        extractor.transform([paths[0], broken, paths[1]])


def test_folder_is_no_image(extractor, images, photos):
    """A folder among the images would give more rows than there are labels, so it is refused."""
    paths, _ = images

    with pytest.raises(UnreadableImageError, match=rf"{re.escape(str(photos / 'test'))}: a folder; expected one"):
        extractor.transform([paths[0], photos / "test"])


def test_missing_image_is_an_error(extractor, tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(DataNotFoundError, match=rf"{re.escape(str(tmp_path / 'gone.png'))}: no such file"):
        extractor.transform([tmp_path / "gone.png"])


@pytest.mark.parametrize(
    ("settings", "error", "expected"),
    [
        ({"base": "vgg11"}, UnknownBaseError, "Unknown base 'vgg11'"),
        ({"pool": "mean"}, SettingError, "pooling is one of .* Received: 'mean'"),
        ({"preprocess": "imagenet"}, SettingError, "preprocessing is one of .* Received: 'imagenet'"),
    ],
)
def test_setting_that_cannot_work_is_refused(settings, error, expected, cache, images):
    """A wrong setting is refused when it is used, with what was expected."""
    with pytest.raises(error, match=expected):
        FeatureExtractor(**(RANDOM | {"cache": cache} | settings)).transform(images[0][:2])


@pytest.mark.parametrize(
    "setting", [{"resize": "nearest"}, {"aspect": "pad"}, {"aspect": "crop"}, {"background": "black"}]
)
def test_settings_of_the_decoder_change_the_rows(setting, cache, tmp_path):
    """They are in the recipe: other rows, and no row of the other settings is touched."""
    wide = draw_photo(tmp_path / "wide.png", (10, 200, 30), seed=5, size=(90, 40))
    Image.open(wide).convert("RGBA").save(wide)
    with Image.open(wide) as image:
        image.putalpha(128)
        image.save(wide)
    rows = FeatureExtractor(**RANDOM, cache=cache).transform([wide])

    assert not np.allclose(FeatureExtractor(**RANDOM, cache=cache, **setting).transform([wide]), rows)


def test_exif_orientation_can_be_ignored(cache, tmp_path):
    """For files and PIL images alike."""
    path = draw_photo(tmp_path / "turned.png", (10, 200, 30), seed=6)
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "turned.jpg", exif=exif)
    upright, ignored = (FeatureExtractor(**RANDOM, cache=cache, exif=exif) for exif in (True, False))

    assert not np.allclose(upright.transform([tmp_path / "turned.jpg"]), ignored.transform([tmp_path / "turned.jpg"]))


def test_large_image_is_refused(cache, tmp_path):
    """`max_pixels` is the limit for images that have no row yet."""
    new = draw_photo(tmp_path / "large.png", (10, 20, 30), seed=7)
    with pytest.raises(UnreadableImageError, match="pixels"):
        FeatureExtractor(**RANDOM, cache=cache, max_pixels=100).transform([new])


@pytest.mark.parametrize("pool", ["avg", "none"])
def test_features_have_names(pool, cache, extractor, images):
    """Before and after transform, and after the pooling has changed."""
    fresh = FeatureExtractor(**RANDOM, cache=cache, pool=pool)
    names = fresh.get_feature_names_out()
    used = clone(extractor)
    used.transform(images[0][:2])

    assert list(names[:2]) == ["featureextractor0", "featureextractor1"]
    assert len(names) == fresh.transform(images[0][:2]).shape[1]
    assert list(used.set_params(pool=pool).get_feature_names_out()) == list(names)


def test_output_may_be_a_frame(cache, extractor, images):
    """With the names of the features, and the index of the frame that was given."""
    frame = pd.DataFrame({"path": [str(path) for path in images[0][:3]]}, index=[7, 8, 9])
    shown = clone(extractor).set_output(transform="pandas").transform(frame)

    assert list(shown.index) == [7, 8, 9]
    assert list(shown.columns[:1]) == ["featureextractor0"]
    assert np.array_equal(shown.to_numpy(), extractor.transform(images[0][:3]))


@pytest.mark.parametrize("column", ["path", ["path"]])
def test_works_on_a_column_of_a_table(column, extractor, images):
    """In a ColumnTransformer beside other columns, with names for all of them."""
    frame = pd.DataFrame({"path": [str(path) for path in images[0]], "age": range(24)})
    columns = ColumnTransformer([("image", clone(extractor), column), ("rest", "passthrough", ["age"])])
    X = columns.fit_transform(frame)

    assert np.array_equal(X[:, :512], extractor.transform(images[0]))
    assert list(columns.get_feature_names_out()[[0, -1]]) == ["image__featureextractor0", "rest__age"]


def test_works_in_parallel_after_images_were_decoded(extractor, cache, images):
    """Two processes of joblib take the extractor, pickled, with the filters for warnings of this process."""
    paths, labels = images
    model = make_pipeline(clone(extractor), LogisticRegression(max_iter=1000))
    search = GridSearchCV(model, {"featureextractor__pool": ["avg", "max"]}, cv=2, n_jobs=2, error_score="raise")

    assert search.fit(paths, labels).best_score_ >= 0
    assert np.array_equal(pickle.loads(pickle.dumps(extractor)).transform(paths), extractor.transform(paths))


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_mixin_order,
    ],
    ids=lambda check: check.__name__,
)
def test_conventions_of_scikit_learn_hold(check, cache):
    """Those of its own checks that need no table of numbers as X."""
    check("FeatureExtractor", FeatureExtractor(cache=cache))
