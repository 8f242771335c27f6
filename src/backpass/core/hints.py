"""Which name was meant: one misspelt, or what the same thing is called in another library.

Every "did you mean" of the package comes from here: names of records, of settings, of options and
of columns.
"""

import difflib
from collections.abc import Iterable

from backpass.errors import InputError

SAME_THING = tuple(
    line.split()
    for line in """
    logistic sigmoid expit
    identity linear none
    relu rectifier relu6
    silu swish
    softmax log_softmax
    exp exponential
    squared_error mse mse_loss mean_squared_error l2 l2_loss
    absolute_error mae mae_loss mean_absolute_error l1 l1_loss
    huber huber_loss smooth_l1 smooth_l1_loss
    pinball pinball_loss quantile quantile_loss
    poisson poisson_loss poisson_nll_loss
    hinge hinge_loss categorical_hinge
    cross_entropy log_loss nll nll_loss cross_entropy_loss categorical_crossentropy
    cross_entropy sparse_categorical_crossentropy
    binary_cross_entropy bce bce_loss bce_with_logits bce_with_logits_loss log_loss
    nesterov nag
    momentum heavy_ball
    sgd gd gradient_descent
    constant fixed none
    adaptive plateau reduce_lr_on_plateau
    cosine cosine_annealing cosine_annealing_lr cosine_decay
    linear_warmup warmup
    glorot_uniform xavier xavier_uniform glorot
    he_normal he kaiming kaiming_normal he_uniform kaiming_uniform
    epochs max_iter n_iter max_epochs n_epochs num_epochs nb_epoch iterations
    optimizer solver optim optimiser momentum betas beta_1 beta_2 nesterovs_momentum
    schedule learning_rate_schedule lr_schedule lr_scheduler scheduler power_t
    learning_rate learning_rate_init lr eta eta0 rate step_size
    tolerance tol
    patience n_iter_no_change early_stopping_rounds
    seed random_state random_seed
    batch_size minibatch_size batch bs
    alpha weight_decay l2 l2_penalty reg_lambda
    weight_decay alpha
    dropout dropout_rate p_drop
    clip_norm clipnorm clip max_norm max_grad_norm gradient_clip_val
    sampling shuffle
    validation_fraction validation_split val_fraction
    test_fraction test_size
    time_limit timeout max_time time_budget
    n_threads n_jobs threads num_threads
    engine backend device
    on_epoch callback callbacks
    init initializer initialiser weight_init kernel_initializer
    loss criterion loss_fn loss_function objective
    hidden_layer_sizes hidden hidden_sizes hidden_units layer_sizes layers units widths
    activation hidden activations nonlinearity act
    sizes hidden_layer_sizes hidden_sizes layer_sizes layers units widths
    output output_activation out_activation
    sample_weight sample_weights weights weight
    target target_column label y
    gradient_norms grad_norms
    """.strip().splitlines()
)
"""A line for each thing: our name, then scikit-learn's, PyTorch's, Keras' and people's own.

Where a name stands in several lines, the first that has a known one counts: ``hidden`` are widths
where widths can be set, else an activation.
"""


def _plain(name: str) -> str:
    """Return a name without what is written now one way, now another: LeakyReLU, leaky-relu."""
    return "".join(filter(str.isalnum, name.casefold())) or name.casefold()


def closest(
    name: str, known: Iterable[str], *, elsewhere: Iterable[Iterable[str]] = SAME_THING
) -> str | None:
    """Return the known name that `name` most likely stands for, or None.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str
        What there is.
    elsewhere : iterable of iterables of str
        What the same thing is called elsewhere; nothing for names of the user's own, as columns.

    Examples
    --------
    >>> closest("LeakyReLU", ["relu", "leaky_relu"]), closest("Sigmoid", ["tanh", "logistic"])
    ('leaky_relu', 'logistic')
    >>> closest("--max-iter", ["--epochs", "--seed"]), closest("citty", ["city"], elsewhere=())
    ('--epochs', 'city')
    >>> closest("wave", ["relu", "tanh"]) is None
    True
    """
    written = {_plain(one): one for one in reversed(list(known))}  # the first of equals stays
    plain = _plain(name)
    if plain in written:
        return written[plain]
    for names in elsewhere:
        called = [_plain(one) for one in names]
        if plain in called and (found := [one for one in called if one in written]):
            return written[found[0]]
    near = difflib.get_close_matches(plain, written, n=1)
    return written[near[0]] if near else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: what was meant, or what there is.

    Examples
    --------
    >>> hint("random_state", ["seed", "epochs"])
    "did you mean 'seed'?"
    >>> hint("colour", ["seed", "epochs"])
    'known: seed, epochs'
    """
    names = list(known)
    found = closest(name, names)
    return f"known: {', '.join(names)}" if found is None else f"did you mean {found!r}?"


def refuse_unknown(given: Iterable[str], what: str, known: Iterable[str]) -> None:
    """Raise an InputError for the first of the names given, saying what was meant.

    Parameters
    ----------
    given : iterable of str
        Names that nothing is known of; without any, nothing happens.
    what : str
        What they name, such as ``"setting"``.
    known : iterable of str
        What there is; ``unknown`` itself, which collects the others, is not told.

    Examples
    --------
    >>> refuse_unknown({"max_iter": 10}, "setting", ["epochs", "seed"])
    Traceback (most recent call last):
    backpass.errors.InputError: unknown setting 'max_iter'; did you mean 'epochs'?
    """
    for name in given:
        names = [one for one in known if one != "unknown"]
        raise InputError(f"unknown {what} {name!r}; {hint(name, names)}")
