"""All data sets by name."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from utils.data.fashion import fashion_mnist
from utils.data.novels import austen, book
from utils.data.pictures import glyphs, photograph
from utils.data.tables import tabular
from utils.data.translation import multi30k, number_names
from utils.errors import unknown


class _Entry(NamedTuple):
    load: Callable[..., Any]
    description: str


_REGISTRY = {
    "fashion-mnist": _Entry(fashion_mnist, "clothing, 28 x 28: a subset ships, all with full=True"),
    "glyphs": _Entry(glyphs, "digits and letters drawn from fonts, with distortions"),
    "china": _Entry(partial(photograph, "china"), "photograph of a temple (scikit-learn)"),
    "flower": _Entry(partial(photograph, "flower"), "photograph of a dahlia (scikit-learn)"),
    "iris": _Entry(partial(tabular, "iris"), "150 flowers of 3 kinds (scikit-learn)"),
    "wine": _Entry(partial(tabular, "wine"), "178 wines of 3 growers (scikit-learn)"),
    "breast-cancer": _Entry(
        partial(tabular, "breast-cancer"), "569 tumours, malignant or benign (scikit-learn)"
    ),
    "diabetes": _Entry(
        partial(tabular, "diabetes"), "442 patients and their disease's progress (scikit-learn)"
    ),
    "digits": _Entry(partial(tabular, "digits"), "1,797 digits of 8 x 8 pixels (scikit-learn)"),
    "airfoil": _Entry(partial(tabular, "airfoil"), "1,503 measurements of noise (download)"),
    "austen": _Entry(austen, "Jane Austen's six novels"),
    "time-machine": _Entry(partial(book, "time-machine"), "H. G. Wells's novel (download)"),
    "tiny-shakespeare": _Entry(
        partial(book, "tiny-shakespeare"), "a megabyte of Shakespeare (download)"
    ),
    "number-names": _Entry(number_names, "names of numbers in English, French and Chinese"),
    "multi30k": _Entry(multi30k, "captions in English, French and German (download)"),
}


def available() -> dict[str, str]:
    """The data sets that ``load`` knows, with a line about each; some say "download".

    >>> available()["iris"]
    '150 flowers of 3 kinds (scikit-learn)'
    """
    return {name: entry.description for name, entry in _REGISTRY.items()}


def load(name: str, **options: Any) -> Any:
    """Load a data set by its name in ``available``, with the options of the function that does it.

    >>> train, test = load("number-names", target="zh")
    >>> len(train), len(test)
    (9000, 1000)

    Raises:
        ValueError: there is no such data set; the message lists those that exist.
    """
    if name not in _REGISTRY:
        raise ValueError(unknown("data set", name, _REGISTRY))
    return _REGISTRY[name].load(**options)
