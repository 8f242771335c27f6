"""Note 3, Backpropagation."""

from covered.row import Row

__all__ = ["ROWS"]

MODEL, THIN = "note-3#the-model-and-its-loss", "note-3#a-thin-network"
NUDGE = "note-3#intuition-a-small-change-of-a-weight"
OUTPUT, SOFTMAX = "note-3#gradients-to-the-output-units-431", "note-3#softmax-in-full"
PATHS, HIDDEN = "note-3#several-paths", "note-3#gradients-to-the-hidden-units-432"
PARAMETERS, SUMMARY = "note-3#gradients-to-the-parameters-433", "note-3#the-summary-5"

TALK = Row(
    "1",
    "The chain of 4.2 again, to say which fraction comes next",
    THIN,
    "chain B3 first",
    "derivatives.forms.thin_chain",
)

ROWS = {
    "Backpropagation": (Row("", "The title and its author", "../sources"),),
    "Contents": (Row("", "The sections", "note-3"),),
    "1 Introduction": (Row("1-2", "Forward- and backward-propagation", "../concepts/equations"),),
    "2 Set-up": (
        Row("1", r"$X_{n \times m}$, examples in columns", "note-3 ../sources#slips-note-3"),
        Row(
            "2-5",
            "A fully connected feed-forward network: input, L − 1 hidden layers, output",
            MODEL,
        ),
        Row("6-9", "Pre-activation $a_i$ and activation $h_i$; layers 0 to L", MODEL),
        Row(
            "10-12",
            r"$W_i \in \mathbb{R}^{n_i \times n_{i-1}}$, $b_i \in \mathbb{R}^{n_i}$; $W_L \in "
            r"\mathbb{R}^{p \times n_{L-1}}$",
            "note-3 index",
        ),
        Row(
            "13-15",
            "$a_i = W_i \\cdot h_{i-1} + b_i$, $h_0 = x$",
            MODEL,
            "sample F1 every",
            "core.backprop.forward",
        ),
        Row(
            "16-19",
            "$h_i = g(a_i)$, the activation function",
            MODEL,
            "sample F2 hidden",
            "core.backprop.forward",
        ),
        Row(
            "20-22",
            r"$\hat y = h_L = O(a_L)$; all are functions of x",
            MODEL,
            "sample F2 output",
            "core.backprop.forward",
        ),
        Row(
            "23",
            "Figure 1: a network with L = 3 and p = 2",
            "../how-to/trace",
            functions="derivatives.tracing.Trace",
            absent="a picture of the note's author; `trace(…).picture()` draws any network",
        ),
    ),
    "3 Fundamentals": (
        Row("1-5", "Data, model, parameters, learning algorithm, loss", MODEL),
        Row(
            "6",
            "ReLU, softmax, average sparse categorical cross-entropy",
            f"{MODEL} #activation-relu #activation-softmax #loss-cross-entropy",
        ),
        Row(
            "7-9",
            r"$\hat y = O(W_3 \cdot g(W_2 \cdot g(W_1 \cdot x + b_1) + b_2) + b_3)$ and its "
            r"parameters",
            MODEL,
            functions="network.network.Network",
        ),
        Row(
            "10-11",
            r"$L = \frac1m \sum_i -\log \hat y_\ell$",
            MODEL,
            "batch C output",
            "core.backprop.cost",
        ),
        Row("12", "Learning by gradient descent", "../concepts/gradient-descent"),
    ),
    "4 Back-Propagation": (Row("", "The derivation, in 4.1 to 4.3", "note-3"),),
    "4.1 Demo on a Thin Network": (
        Row(
            "1-4",
            r"$\frac{\partial \mathcal L(\theta)}{\partial W_{111}}$ as a chain of fractions",
            THIN,
            "chain B3 first",
            "derivatives.forms.thin_chain",
        ),
    ),
    "4.2 Intuition": (
        Row(
            "1",
            "Figure 2: a thin network",
            THIN,
            absent="a picture of the note's author; ours is drawn from a run",
        ),
        Row(
            "", r"A small change in $W_{111}$ changes $\mathcal L(\theta)$ by its derivative", NUDGE
        ),
        Row(
            "2-9",
            "Who is responsible for the loss: down to all weights and biases, through the layers",
            THIN,
        ),
        Row(
            "10",
            "The chain, with whom each fraction talks to",
            THIN,
            "chain B3 first",
            "derivatives.forms.thin_chain",
        ),
    ),
    "4.3 The Real Deal": (
        Row(
            "1-3",
            "Gradients to output units, hidden units, weights and biases",
            f"{OUTPUT} {HIDDEN} {PARAMETERS}",
        ),
    ),
    "4.3.1 Gradients w.r.t. Output Units": (
        TALK,
        Row(
            "2",
            r"$\hat y$ as a column, $\mathcal L(\theta) = -\log \hat y_\ell$",
            OUTPUT,
            "sample C output",
            "core.backprop.cost",
        ),
        Row(
            "3-4",
            r"$\frac{\partial \mathcal L}{\partial \hat y_i} = "
            r"-\frac{\mathbb{1}_{i=\ell}}{\hat y_\ell}$, the indicator",
            f"{OUTPUT} #loss-cross-entropy",
        ),
        Row(
            "5-6", r"$\nabla_{\hat y} \mathcal L(\theta) = -\frac{1}{\hat y_\ell} e_\ell$", SOFTMAX
        ),
        Row(
            "7-8",
            r"$\frac{\partial \mathcal L}{\partial a_{Li}} = \frac{\partial(-\log \hat "
            r"y_\ell)}{\partial \hat y_\ell} \cdot \frac{\partial \hat y_\ell}{\partial "
            r"a_{Li}}$ with $\hat y_\ell = \exp(a_{L\ell}) / \sum \exp(a_{Li'})$",
            SOFTMAX,
        ),
        Row("9-10", "Softmax by the quotient rule, line by line", f"{SOFTMAX} #activation-softmax"),
        Row(
            "11",
            r"$\frac{\partial \mathcal L}{\partial a_{Li}} = -(\mathbb{1}_{\ell=i} - \hat y_i)$",
            SOFTMAX,
            "parameter B1f output",
        ),
        Row(
            "12",
            r"$\nabla_{a_L} \mathcal L(\theta) = -(e_\ell - \hat y)$",
            f"{OUTPUT} {SOFTMAX}",
            "sample B1f output",
            "core.backprop.output_derivative",
        ),
    ),
    "4.3.2 Gradients w.r.t. Hidden Units": (
        TALK,
        Row(
            "2-3",
            r"Chain rule along multiple paths: $\frac{\partial p}{\partial z} = \sum_m "
            r"\frac{\partial p}{\partial q_m} \cdot \frac{\partial q_m}{\partial z}$",
            PATHS,
        ),
        Row(
            "4",
            r"Its example, drawn: $\frac{dz}{dx} = \sum_{i=1}^2 \frac{dz}{dy_i} \cdot "
            r"\frac{dy_i}{dx}$",
            PATHS,
        ),
        Row(
            "5-7 9",
            r"$\frac{\partial \mathcal L}{\partial h_{ij}} = \sum_m \frac{\partial \mathcal "
            r"L}{\partial a_{i+1,m}} W_{i+1,m,j} = (W_{i+1,\cdot,j})^T \nabla_{a_{i+1}} "
            r"\mathcal L$",
            f"{PATHS} {HIDDEN}",
            "parameter B2a input",
        ),
        Row(
            "8",
            "Table 1: the gradients to a hidden layer, drawn",
            HIDDEN,
            absent="a picture of the note's author; what it draws is in the rows beside it",
        ),
        Row(
            "10",
            r"$\nabla_{h_i} \mathcal L = (W_{i+1})^T \, \nabla_{a_{i+1}} \mathcal L$",
            HIDDEN,
            "sample B2a hidden",
            "derivatives.forms.per_sample",
        ),
        Row(
            "11-16",
            r"$\frac{\partial \mathcal L}{\partial a_{ij}} = \frac{\partial \mathcal "
            r"L}{\partial h_{ij}} g'(a_{ij})$, so $\nabla_{a_i} \mathcal L = \nabla_{h_i} "
            r"\mathcal L \odot [\ldots, g'(a_{ik}), \ldots]$",
            HIDDEN,
            "sample B2b hidden; parameter B2b hidden",
            "derivatives.forms.per_sample",
        ),
    ),
    "4.3.3 Gradients w.r.t. Parameters *i.e.* Weights and Biases": (
        TALK,
        Row("2-3", r"$\frac{\partial a_{ki}}{\partial W_{kij}} = h_{k-1,j}$", PARAMETERS),
        Row(
            "4-5",
            r"$\frac{\partial \mathcal L}{\partial W_{kij}} = \frac{\partial \mathcal "
            r"L}{\partial a_{ki}} h_{k-1,j}$",
            PARAMETERS,
            "parameter B3 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "6-9",
            r"$\nabla_{W_k} \mathcal L$ entry by entry, for 3 × 3, and as $\nabla_{a_k} "
            r"\mathcal L \cdot h_{k-1}^T$",
            PARAMETERS,
            "sample B3 every",
            "derivatives.forms.per_sample",
        ),
        Row(
            "10", r"$a_{ki} = b_{ki} + \sum_j W_{kij} h_{k-1,j}$", PARAMETERS, "parameter F1 every"
        ),
        Row(
            "11",
            r"$\frac{\partial \mathcal L}{\partial b_{ki}} = \frac{\partial \mathcal "
            r"L}{\partial a_{ki}}$",
            PARAMETERS,
            "parameter B4 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "12",
            r"$\nabla_{b_k} \mathcal L = \nabla_{a_k} \mathcal L$",
            PARAMETERS,
            "sample B4 every",
            "derivatives.forms.per_sample",
        ),
    ),
    "5 Summary": (Row("", "The equations, for one data-point and for X", SUMMARY),),
    "5.1 for a single data-point": (
        Row(
            "1-2",
            r"$\nabla W_k = \nabla_{a_k} \cdot h_{k-1}^T$, $\nabla b_k = \nabla_{a_k}$",
            SUMMARY,
            "sample B3 every; sample B4 every",
            "derivatives.forms.per_sample",
        ),
        Row(
            "3",
            r"$\nabla a_L = -(e_\ell - \hat y)$",
            SUMMARY,
            "sample B1f output",
            "core.backprop.output_derivative",
        ),
        Row(
            "4",
            r"$\nabla a_k = \nabla h_k \odot g'(a_k) = W_{k+1}^T \cdot \nabla_{a_{k+1}} \odot "
            r"g'(a_k)$",
            SUMMARY,
            "sample B2a hidden; sample B2b hidden",
            "derivatives.forms.per_sample",
        ),
    ),
    "5.2 for whole $X$": (
        Row("1-4", "X, m, L, and the input layer", f"{SUMMARY} ../sources#slips-note-3"),
        Row(
            "5-7",
            r"$A_k = W_k H_{k-1} + b_k \cdot \mathbf 1_m^T$, $H_k = g_k(A_k)$, $\hat Y = "
            r"\mathrm{softmax}(A_L)$",
            SUMMARY,
            "batch F1 every; batch F2 every",
            "core.backprop.forward",
        ),
        Row(
            "8-9",
            r"$\nabla W_k = \nabla A_k \cdot H_{k-1}^T$, $\nabla b_k = \nabla A_k \cdot "
            r"\mathbf 1_m$",
            SUMMARY,
            "batch B3 every; batch B4 every",
            "derivatives.forms.batch",
        ),
        Row(
            "10",
            r"$\nabla A_L = \frac1m (\hat Y - E)$",
            SUMMARY,
            "batch B1f output dz; batch B1 output",
            "derivatives.forms.batch",
        ),
        Row(
            "11",
            r"$\nabla A_k = (W_{k+1}^T \cdot \nabla A_{k+1}) \odot g'(A_k)$",
            SUMMARY,
            "batch B2a hidden; batch B2b hidden",
            "derivatives.forms.batch",
        ),
    ),
    "6 Appendix": (
        Row(
            "",
            "Derivatives of activation functions",
            "note-3#derivatives-of-activation-functions-61",
        ),
    ),
    "6.1 Derivative of Activation Function": (
        Row(
            "1-2",
            r"$\sigma'(z) = g(z)(1 - g(z))$",
            "note-3#derivatives-of-activation-functions-61 #activation-logistic",
        ),
        Row(
            "3-4",
            r"$\tanh'(z) = 1 - (g(z))^2$",
            "note-3#derivatives-of-activation-functions-61 #activation-tanh",
        ),
    ),
}
"""By section."""
