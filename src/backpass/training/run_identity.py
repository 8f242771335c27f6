"""What identifies a training run: its data by a hash, its settings and its network by text."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from backpass.core.arrays import is_sparse, to_numpy
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.parameters import Model
from backpass.core.schedules import SCHEDULES
from backpass.core.settings import Settings

BLOCK = 1 << 22  # bytes hashed at a time: the data set is not copied whole
FREE = ("time_limit", "n_threads")  # settings that may change: they do not change the result
HASHED = "SHA-256 "


def array_text(x: Any) -> str:
    """Return shape, dtype and hash of an array's values.

    Parameters
    ----------
    x : array, sparse matrix or None
        Read block by block, of any stride; None gives ``"none"``.

    Examples
    --------
    >>> array_text(np.zeros((2, 3)))
    '(2, 3) float64 SHA-256 17b0761f87b081d5cf10757ccc89f12be355c70e2e29df288b65b30710dcbcd1'
    """
    if x is None:
        return "none"
    digest = hashlib.sha256()
    for part in _parts(x):
        for block in _blocks(part):
            digest.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    kind = "sparse " if is_sparse(x) else ""
    return f"{tuple(x.shape)} {kind}{x.dtype} {HASHED}{digest.hexdigest()}"


def _parts(x: Any) -> list[Any]:
    if not is_sparse(x):
        return [to_numpy(x)]
    rows = x.tocsr()
    return [rows.indptr, rows.indices, rows.data]


def _blocks(part: Any) -> Iterator[Any]:
    size = max(1, BLOCK // max(1, part.nbytes // max(1, len(part))))
    for start in range(0, len(part), size):
        yield part[start : start + size]


def settings_texts(settings: Settings) -> dict[str, str]:
    """Return every setting that the result depends on, as text.

    Examples
    --------
    >>> settings_texts(Settings())["optimizer"]
    'adam:beta_1=0.9,beta_2=0.999,epsilon=1e-08'
    """
    texts = {f.name: str(getattr(settings, f.name)) for f in fields(Settings)}
    texts["optimizer"] = OPTIMIZERS.spec(OPTIMIZERS.get_record(settings.optimizer))
    texts["schedule"] = SCHEDULES.spec(SCHEDULES.get_record(settings.schedule))
    return {name: text for name, text in texts.items() if name not in FREE}


def model_texts(model: Model) -> dict[str, str]:
    """Return layers, activations, loss and dtype of a network as text."""
    activations, loss = model.specs()
    return {
        "layers": "-".join(map(str, model.parameters.sizes)),
        "activations": ", ".join(activations),
        "loss": loss,
        "dtype": str(model.parameters.flat.dtype),
    }


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return in words what differs between two runs, "" where nothing does.

    Parameters
    ----------
    there, here : mapping of str to str
        The run of a checkpoint, and this one.

    Examples
    --------
    >>> differences({"epochs": "10", "alpha": "0.0"}, {"epochs": "20", "alpha": "0.0"})
    'epochs is 10 there and 20 here'
    """
    names = [*here, *(name for name in there if name not in here)]
    found = []
    for name in names:
        old, new = there.get(name, "not told"), here.get(name, "not told")
        if old == new:
            continue
        old, _, old_hash = old.partition(HASHED)
        new, _, _ = new.partition(HASHED)
        if old_hash and old == new:
            found.append(f"the values of {name} differ")
        else:
            found.append(f"{name} is {old.strip()} there and {new.strip()} here")
    text = "; ".join(found)
    return text if text.isprintable() else repr(text)  # a name may come from a stranger's file
