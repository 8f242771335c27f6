"""A process forked from one that has used polars: it would wait for ever for polars' threads."""

import os

from backpass.errors import InputError

__all__ = ["check_not_forked"]

_first_user: int | None = None  # the process that used polars first


def check_not_forked() -> None:
    """Refuse a process whose parent has used polars before it was forked.

    Threads are not copied by a fork, and polars hands its work to some that it has started once.

    Raises
    ------
    InputError
        It says how workers are to be started.
    """
    global _first_user
    if _first_user is None:
        _first_user = os.getpid()
    elif _first_user != os.getpid():
        raise InputError(
            "tables cannot be used in this process: it was forked from one that has used some, and "
            "the threads of polars do not survive that; start workers by 'spawn' or 'forkserver', "
            "or with joblib's 'loky'"
        )
