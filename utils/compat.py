"""The book's peers, importable: ``from utils.compat import d2l, v2``.

It is imported when it is asked for. d2l imports torchvision, and a torchvision whose compiled
operators do not match the installed PyTorch refuses to load. d2l's data loaders need none of these
operators, so they are declared (not implemented) where they are missing.
"""

import importlib
import importlib.util
import re
import sys
from types import ModuleType

import torch

# What torchvision asks for by name while it is being imported, as its own sources declare them.
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")
_declared: list[torch.library.Library] = []  # a declaration lives only as long as its Library


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring those of its compiled operators that this machine lacks.

    Raises:
        RuntimeError: torchvision fails for another reason than an undeclared operator.
    """
    declared: set[str] = set()
    loaded = set(sys.modules)
    while True:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            if missing is None or missing[1] in declared:
                raise
            name = missing[1]
        for module in set(sys.modules) - loaded:
            if module.partition(".")[0] == "torchvision":
                del sys.modules[module]  # or the next attempt would take it for finished
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(_SCHEMAS.get(name, f"{name}(Tensor input) -> Tensor"))
        _declared.append(library)
        declared.add(name)


def import_d2l() -> ModuleType:
    """Import ``d2l.torch``, which changes no settings of Matplotlib or PyTorch.

    Raises:
        ImportError: d2l is not installed; the message says how to install it.
    """
    if importlib.util.find_spec("d2l") is None:
        raise ImportError(
            "The comparisons of this page need d2l, whose own pins cannot be met on a current "
            "Python. Install it without them: pip install --no-deps d2l==1.0.3"
        )
    import_torchvision()
    return importlib.import_module("d2l.torch")


def __getattr__(name: str) -> ModuleType:
    """``d2l``, and torchvision's transforms ``v2``, imported when they are first asked for."""
    if name == "d2l":
        return import_d2l()
    if name == "v2":
        import_torchvision()
        return importlib.import_module("torchvision.transforms.v2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
