"""Weights and layers: which belong together."""

from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Fault, Pass, Rule
from backpass.derivatives.homework.mistake import Mistake, Result, Way, fitting, wrong


def shifted(by: int) -> Result:
    """Return a change: the same result of another layer."""
    return lambda w, value, kind, l: value(kind, l + by)


def square(W: Array) -> Array:
    """Return a matrix that may be confused with its transpose."""
    return fitting(W, W.T)


def delta_above(w: Pass, l: int) -> Array:
    """Return the error signal of the layer above in the place of one."""
    return fitting(w.delta.get(l + 1), w.delta[l])


def slope_of_layer(by: int) -> Rule:
    """Return the rule that takes a layer's φ′ at the values of another layer."""
    return lambda w, l: w.do("phi", l).derivative(
        fitting(w.z.get(l + by), w.z[l]), fitting(w.a.get(l + by), w.a[l])
    )


def slope_of_value(w: Pass, l: int) -> Array:
    """Return the right φ′(z), by the activation that the forward pass left out."""
    phi = w.do("phi", l)
    slope: Array = phi.derivative(w.z[l], phi.value(w.z[l]))
    return slope


UNACTIVATED = (Fault("F2", lambda w, l: w.z[l]),)


WEIGHTS = (
    Mistake(
        "W for Wᵀ",
        "W was used where its transpose belongs, or the other way round",
        equation="B2a",
        source="note 2 ((W^{l+1})ᵀ), note 3, section 4.3.2; notes 1 and 5, whose W is (in, "
        "out): W e",
        mend="forward a @ W, backward δ @ W.T, where W is (in, out) and samples are rows",
        ways=(
            *wrong(
                "B2a", lambda w, l: w.delta[l + 1] @ square(w.W[l + 1]), "backward", layers="below"
            ),
            *wrong("F1", lambda w, l: w.a[l - 1] @ square(w.W[l]).T + w.b[l], "forward"),
        ),
    ),
    Mistake(
        "neighbouring layer",
        "a quantity of the layer above or below was taken",
        equation="B3",
        source="notes 1 and 5 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (∇A_k H_{k−1}ᵀ)",
        mend="{dW[l]} is made of {a[l-1]} and {delta[l]}; {delta[l]} takes W and {delta} of layer "
        "l + 1 and {dphi} of layer l",
        ways=(
            Way("the result of the layer above", result=shifted(1)),
            Way("the result of the layer below", result=shifted(-1)),
            *wrong(
                "B3 a",
                lambda w, l: fitting(w.a[l], w.a[l - 1]),
                "{a[l]} for {a[l-1]} in the weight gradient",
                layers="every",
            ),
            Way(
                "{delta[l+1]} for {delta[l]} in the gradients",
                (Fault("B3 delta", delta_above), Fault("B4 delta", delta_above)),
                layers="hidden",
            ),
            *wrong(
                "B2a",
                lambda w, l: w.delta[l + 1] @ fitting(w.W.get(l), w.W[l + 1]).T,
                "{W[l]} for {W[l+1]} in the error signal",
                layers="hidden",
            ),
            *wrong(
                "slope",
                {
                    "{dphi} of layer l + 1 in the error signal": slope_of_layer(1),
                    "{dphi} of layer l − 1 in the error signal": slope_of_layer(-1),
                },
                layers="hidden",
            ),
        ),
    ),
    Mistake(
        "layers in reverse",
        "the layers are numbered from the output, not from the input",
        equation="B3",
        source="notes 1 to 5 (layer 1 is the first after the input, L the output)",
        mend="reverse the list of gradients, which the backward pass finds from L down to 1",
        ways=(Way(result=lambda w, value, kind, l: value(kind, w.L + 1 - l)),),
    ),
    Mistake(
        "W missing",
        "the error signal was handed down without the weights",
        equation="B2a",
        source="note 3, section 4.3.2 (∇_{h_i} = W_{i+1}ᵀ ∇_{a_{i+1}})",
        mend="multiply the error signal by the weights that it came through",
        ways=wrong("B2a", lambda w, l: fitting(w.delta[l + 1], w.a[l]), layers="below"),
    ),
    Mistake(
        "bias forgotten",
        "the forward pass left the bias out of {z}",
        equation="F1",
        source="note 3, section 2 (a_i = b_i + W_i h_{i−1}), note 5, step 1",
        mend="z = a W + b",
        ways=wrong("F1", lambda w, l: w.a[l - 1] @ w.W[l], layers="every"),
    ),
    Mistake(
        "activation forgotten",
        "the forward pass left the activation out: {a} = {z}",
        equation="F2",
        source="note 3, section 2 (h_i = g(a_i)), note 5, step 1 (a^{(l)} = f(z^{(l)}))",
        mend="{a} = {f}({z}) in every layer",
        ways=(
            Way(
                "in the hidden layers",
                (*UNACTIVATED, Fault("slope", slope_of_value)),
                layers="hidden",
            ),
            Way("in the hidden layers, and so in {dphi}", UNACTIVATED, layers="hidden"),
            Way("at the output", UNACTIVATED, layers="output"),
        ),
    ),
    Mistake(
        "z for a in the weight gradient",
        "the weight gradient has the pre-activation of the layer below, not its activation",
        equation="B3",
        source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (H_{k−1}, not A_{k−1})",
        mend="multiply {delta[l]} by {a[l-1]}, what entered the layer; note 3's a is our z",
        ways=wrong("B3 a", lambda w, l: w.z[l - 1], layers="from the second"),
    ),
)
