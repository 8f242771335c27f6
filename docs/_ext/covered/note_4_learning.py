"""Note 4, its first part: the learning phase."""

from covered.row import Row

__all__ = ["ROWS"]

EVALUATING = "note-4-learning#evaluating-how-well-an-mlp-is-doing"
COSTS = "note-4-learning#examples-of-individual-cost-functions"
DESCENT = "note-4-learning#gradient-descent"
CLAIMS = "note-4-learning#what-the-slides-say-of-stochastic-descent"
CONCEPT = "../concepts/gradient-descent"

ROWS = {
    "Outline": (Row("", "The slides' two parts", "note-4-learning note-4"),),
    "The learning phase in an MLP": (Row("", "The first part", "note-4-learning"),),
    "Derivation of the Backpropagation rules": (Row("", "The second part", "note-4"),),
    "Evaluating how well an MLP is doing (supervised learning)": (
        Row(
            "1-3",
            r"Problem and goal: samples $S$, parameters θ, outputs that are good approximations",
            EVALUATING,
        ),
        Row(
            "4",
            r"$\mathcal E(S, \theta) = \frac1N \sum_i \mathcal C(\theta, \rho_{(i)}, "
            r"\hat\rho_{(i)})$",
            EVALUATING,
            "batch C mean",
            "core.backprop.cost",
        ),
        Row("5", r"$\theta^* = \mathrm{arg\,min}_\theta \mathcal E(S, \theta)$", EVALUATING),
    ),
    "Examples of individual cost functions": (
        Row(
            "1",
            r"Mean square error, $\frac12 (y - \hat y)^2$",
            f"{COSTS} #loss-squared-error",
        ),
        Row(
            "2",
            r"$L_1$ error, $|y - \hat y|$",
            f"{COSTS} #loss-absolute-error",
        ),
        Row(
            "3-4",
            "Equation (1): Huber's loss",
            f"{COSTS} #loss-huber",
        ),
        Row(
            "5",
            r"$\log(1 + \exp(-y \hat y))$",
            f"{COSTS} #loss-logistic",
        ),
        Row(
            "6",
            r"$\max(0, y - \hat y)$",
            f"{COSTS} #loss-shortfall",
        ),
    ),
    "Gradient descent": (
        Row(
            "1-4",
            r"$\theta_{k+1} \leftarrow \theta_k - \eta \nabla_\theta \mathcal E(S, \theta_k)$, "
            r"as a mean over samples; the learning rate",
            f"{DESCENT} {CONCEPT}",
            "batch U every",
        ),
        Row(
            "5",
            "Issue: a single gradient can be very long",
            CLAIMS,
            functions="derivatives.forms.multiplications",
        ),
        Row("6", "Issue: vectorization is not possible for large samples", CLAIMS),
    ),
    "Stochastic gradient descent": (
        Row(
            "1-2",
            r"$\theta_{k+1} \leftarrow \theta_k - \eta \nabla_\theta \mathcal C(\theta_k, "
            r"\rho_{(i_k)}, \hat\rho_{(i_k)})$, one arbitrary sample",
            f"{DESCENT} {CONCEPT}#how-samples-are-drawn",
        ),
        Row(
            "3-4",
            r"Why random: $\mathbb E[\nabla_\theta \mathcal C] = \frac1N \sum_i \nabla_\theta "
            r"\mathcal C(\theta_k, \rho_{(i)}, \hat\rho_{(i)})$",
            f"{CONCEPT}#why-a-random-sample-will-do",
        ),
        Row(
            "",
            "A noisy approximation of the actual gradient",
            f"{CONCEPT}#how-noisy-it-is",
            functions="core.gradient_noise.gradient_noise",
        ),
        Row(
            "5-6",
            "Feature: faster to compute",
            CLAIMS,
            functions="derivatives.forms.multiplications",
        ),
        Row("7", "Feature: can avoid local minima, saddle points", CLAIMS),
    ),
    "Features of SGD": (
        Row("1", "Convergence can be much slower", CLAIMS),
        Row("2-3", r"The noise near $\theta^*$; can it be reduced?", CLAIMS),
    ),
    "A trade-off: Mini-batch gradient descent": (
        Row(
            "1-2",
            r"$\theta_{k+1} \leftarrow \theta_k - \frac{\eta}{M} \sum_{j=1}^M \nabla_\theta "
            r"\mathcal C(\theta_k, \rho_{(i_{k_j})}, \hat\rho_{(i_{k_j})})$",
            f"{DESCENT} {CONCEPT}",
            functions="training.batches.Sampler",
        ),
        Row("3-4", "Less noisy approximation", f"{CLAIMS} {CONCEPT}#how-noisy-it-is"),
        Row("5-6", "The cost of computation is controlled by M", CONCEPT),
    ),
    "Summary": (
        Row(
            "1",
            "Table: updates per epoch, computations per update",
            CONCEPT,
            functions="training.batches.steps_per_epoch",
        ),
    ),
}
"""By slide, in its last build."""
