"""Small tables: those inside scikit-learn, and the airfoil measurements."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from utils.data.downloads import Remote, fetch
from utils.device import best_device
from utils.errors import unknown

_SKLEARN = {  # our name -> the loader's
    "iris": "load_iris",
    "wine": "load_wine",
    "breast-cancer": "load_breast_cancer",
    "diabetes": "load_diabetes",
    "digits": "load_digits",
}
TABLES = (*_SKLEARN, "airfoil")

_AIRFOIL = Remote(
    path="airfoil/airfoil_self_noise.dat",
    urls=(
        "https://raw.githubusercontent.com/d2l-ai/d2l-zh"
        "/a8a7b0721bcbccf57a366f4b31624913bd81faa9/data/airfoil_self_noise.dat",
        "http://d2l-data.s3-accelerate.amazonaws.com/airfoil_self_noise.dat",
    ),
    hash="sha256:74c75fd71783f1e6b71f8a622b993dc592897a97cd689c5090a07147a1b097b3",
)
_AIRFOIL_COLUMNS = (
    "frequency (Hz)",
    "angle of attack (degrees)",
    "chord length (m)",
    "free-stream velocity (m/s)",
    "displacement thickness (m)",
)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of numbers and what is to be predicted from them.

    Attributes:
        X: the features, as measured.
        y: the class of each row (int64), or the number to predict (float32).
        feature_names: one for each column of X.
        target_names: of the classes, or the one name of the number to predict.
        source: where the table comes from, for a page to say.
    """

    X: Float32[Tensor, "n features"]
    y: Int64[Tensor, " n"] | Float32[Tensor, " n"]
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.y)


def tabular(name: str, device: torch.device | str | None = None) -> Table:
    """A table by name: iris, wine, breast-cancer, diabetes, digits, airfoil; not scaled.

    All but airfoil ship inside scikit-learn.

    >>> iris = tabular("iris")
    >>> iris.X.shape, iris.target_names
    (torch.Size([150, 4]), ('setosa', 'versicolor', 'virginica'))

    Raises:
        ValueError: there is no such table; the message lists those that exist.
        DataError: airfoil is neither on this machine nor to be downloaded.
    """
    if name not in TABLES:
        raise ValueError(unknown("table", name, TABLES))
    device = best_device() if device is None else device
    return _airfoil(device) if name == "airfoil" else _from_sklearn(name, device)


def _from_sklearn(name: str, device: torch.device | str) -> Table:
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, _SKLEARN[name])(**options)
    is_number = name == "diabetes"
    targets = ("disease progression",) if is_number else tuple(map(str, bunch.target_names))
    return Table(
        X=torch.tensor(bunch.data, dtype=torch.float32, device=device),
        y=torch.tensor(
            bunch.target, dtype=torch.float32 if is_number else torch.int64, device=device
        ),
        feature_names=tuple(map(str, bunch.feature_names)),
        target_names=targets,
        source=f"{name} (scikit-learn)",
    )


def _airfoil(device: torch.device | str) -> Table:
    lines = fetch(_AIRFOIL).read_text(encoding="utf-8").strip().splitlines()
    rows = [[float(number) for number in line.split()] for line in lines]
    values = torch.tensor(rows, device=device)
    return Table(
        X=values[:, :-1],
        y=values[:, -1],
        feature_names=_AIRFOIL_COLUMNS,
        target_names=("sound pressure level (dB)",),
        source="Airfoil Self-Noise (NASA, by way of UCI, CC BY 4.0)",
    )
