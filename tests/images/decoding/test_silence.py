"""The silence of decoding and libraries that copy the filters of warnings."""

import pickle
import warnings

import joblib
from sklearn.utils.parallel import Parallel, delayed

from pipeline.images.decoding.silence import no_warnings


def test_scikit_learn_can_copy_the_filters():
    """scikit-learn sets the filters of this process in its workers again, in threads and in other processes."""
    with no_warnings():
        pass

    assert Parallel(n_jobs=1)(delayed(abs)(number) for number in (-1, 2)) == [1, 2]
    with joblib.parallel_config("threading"):
        assert Parallel(n_jobs=2)(delayed(abs)(number) for number in (-1, 2)) == [1, 2]
    copied = pickle.loads(pickle.dumps(list(warnings.filters)))
    assert len(copied) == len(warnings.filters)
    assert copied[0][3].match("pipeline.images.decoding.decoder") is None
