"""Note 4, its second part: the derivation of the backpropagation rules."""

from covered.row import Row

__all__ = ["ROWS"]

ABOUT, FORMAL = "note-4#about-backpropagation", "note-4#formal-and-actual-parameters"
DEFINITIONS, GOAL = "note-4#some-definitions", "note-4#what-we-want-to-compute"
NEURON, LAYER = "note-4#a-single-neuron", "note-4#a-layer-and-a-network-products-of-jacobians"
BACK, EFFECTIVE = "note-4#back-to-gradient-descent", "note-4#effective-computations"
BACKWARD, GRADIENTS = "note-4#the-backpropagation-algorithm", "note-4#the-gradient-computation"
GRAPH = "note-4#a-special-case-of-automatic-differentiation"
JACOBIAN = "derivatives.forms.jacobian"
JACOBIANS = "derivatives.forms.layer_jacobians"

RECAP = (
    Row(
        "1-2",
        r"$\mathcal P^{L+1} = \frac{\partial \mathcal C}{\partial a^L}$, $\mathcal P^j = "
        r"\mathcal P^{j+1} \cdot \frac{\partial f^j}{\partial a^{j-1}} \in \mathbb{R}^{1 "
        r"\times n_{j-1}}$",
        GOAL,
        "jacobian B1z output P; jacobian B2a every P",
        JACOBIAN,
    ),
    Row(
        "3",
        r"$\frac{\partial \mathcal E}{\partial w^j_k} = \mathcal P^{j+1} \cdot \frac{\partial "
        r"f^j}{\partial w^j_k}$, $\frac{\partial \mathcal E}{\partial b^j} = \mathcal P^{j+1} "
        r"\cdot \frac{\partial f^j}{\partial b^j}$",
        GOAL,
        "jacobian B3 every Pw; jacobian B4 every Pb",
        JACOBIAN,
    ),
)

ROWS = {
    "About backpropagation": (
        Row("1-2", "What gradients are for", ABOUT),
        Row(
            "3-4",
            "Very efficient; one of the reasons of deep learning's success",
            f"{ABOUT} ../cost-of-the-gradient",
            functions="derivatives.forms.multiplications",
        ),
        Row(
            "5-8",
            "A special case of automatic differentiation; computational graphs",
            GRAPH,
            functions="derivatives.tracing.Trace",
        ),
    ),
    "A high-level overview": (
        Row(
            "1-4",
            r"What $v^1_1$ contributed to $\varepsilon = \mathcal C(\omega^1_{1,1}, "
            r"\omega^1_{2,1}, \beta^1_1)$",
            ABOUT,
        ),
        Row("5-6", "By backpropagating information", ABOUT),
        Row(
            "7-10",
            r"$\omega^1_{1,1} \leftarrow \omega^1_{1,1} - \nabla_{\omega^1_{1,1}} \mathcal C$, "
            r"likewise $\omega^1_{2,1}$ and $\beta^1_1$",
            f"{ABOUT} ../sources#slips-note-4",
            "batch U first",
        ),
        Row(
            "",
            "Picture: a network, and the error handed back through it",
            ABOUT,
            absent="a picture of the slides' authors; ours is drawn from a run",
        ),
    ),
    "A word of warning": (
        Row("1-4", "A formal derivation; lighter notations are an exercise", "note-4 index"),
    ),
    "Some definitions": (
        Row("1", r"The block matrix $\mathrm{diag}(M_1, \ldots, M_p)$", DEFINITIONS),
        Row(
            "2-3", r"The Hadamard product, $(A \odot B)_{i,j} = A_{i,j} \cdot B_{i,j}$", DEFINITIONS
        ),
    ),
    "The chain rule": (
        Row(
            "1-4",
            r"The Jacobian matrix, $\left(\frac{\partial f}{\partial a}(\alpha)\right)_{i,j} = "
            r"\frac{\partial f_i}{\partial a_j}(\alpha)$",
            DEFINITIONS,
        ),
        Row(
            "5-6",
            r"$\frac{\partial (g \circ f)}{\partial a}(\alpha) = \frac{\partial g}{\partial "
            r"y}(f(\alpha)) \cdot \frac{\partial f}{\partial a}(\alpha)$",
            DEFINITIONS,
        ),
    ),
    "Some formalism": (
        Row(
            "1-6",
            r"Formal input $a^{j-1}$, weights $W^j = (w^j_1, \ldots, w^j_{n_j})$, biases "
            r"$b^j$, and $f^j$",
            FORMAL,
        ),
        Row("7", r"The error function $\mathcal C : a^L, r \mapsto \mathcal C(a^L, r)$", FORMAL),
        Row(
            "",
            "Picture: the layers as boxes from $a^0$ to the error",
            GRAPH,
            absent="a picture of the slides' authors; ours is drawn from a run",
        ),
    ),
    "Reminders": (
        Row("1-2", "Table: formal and actual parameters", FORMAL),
        Row(
            "3-5",
            r"$\frac{\partial f^j}{\partial a^{j-1}}$, $\frac{\partial f^j}{\partial w^j_k}$, "
            r"$\frac{\partial f^j}{\partial b^j}$ at actual parameters, and their shapes",
            FORMAL,
            functions="derivatives.forms.LayerJacobians",
        ),
    ),
    "What we want to compute": (
        Row(
            "1 3",
            r"$g^i$, the first i layers; $\alpha^i = g^i(\alpha^0, \ldots) = f^i(\alpha^{i-1}, "
            r"\Omega^i, \beta^i)$",
            GOAL,
            "sample F2 every",
            "derivatives.forms.prefix",
        ),
        Row(
            "2 4",
            r"$\mathcal E = \mathcal C(g^L(\ldots), r)$, $\varepsilon = \mathcal C(\alpha^L, "
            r"\rho)$",
            GOAL,
            "sample C output",
            "core.backprop.cost",
        ),
    ),
    "Using the chain rule": (
        Row(
            "1",
            r"$\frac{\partial \mathcal E}{\partial w^j_k} = \frac{\partial \mathcal "
            r"C}{\partial a^L} \cdot \frac{\partial g^L}{\partial w^j_k}$, likewise $b^j$",
            GOAL,
        ),
        Row(
            "2-3",
            r"$j = L$: $\frac{\partial g^L}{\partial w^L_k} = \frac{\partial f^L}{\partial "
            r"w^L_k}$, likewise $b^L$",
            GOAL,
            "jacobian B3 output Pw; jacobian B4 output dfb",
            JACOBIANS,
        ),
    ),
    "Using the chain rule (2)": (
        Row(
            "1",
            r"$j < L$: $\frac{\partial g^L}{\partial w^j_k} = \left[ \prod_{i=L}^{j+1} "
            r"\frac{\partial f^i}{\partial a^{i-1}} \right] \cdot \frac{\partial f^j}{\partial "
            r"w^j_k}$, likewise $b^j$",
            GOAL,
            "jacobian B2a every dfa",
            JACOBIAN,
        ),
    ),
    "Recap": RECAP,
    "Same recap, with simplified notations": RECAP,
    "Partial derivatives for a single layer": (
        Row("1-7", r"$f : a, W, b \mapsto [h(a, w_1, b_1), \ldots, h(a, w_m, b_m)]^T$", NEURON),
        Row("8-9", r"$h = \Phi \circ \Psi$, $\Psi(a, w, b) = w^T a + b$", NEURON),
        Row(
            "",
            "Picture: the neurons of a layer",
            NEURON,
            absent="a picture of the slides' authors; its formulas are in the rows beside it",
        ),
    ),
    "Partial derivatives for a single neuron": (
        Row(
            "1-3",
            r"$\zeta = \omega^T \alpha + \beta = \Psi(\alpha, \omega, \beta)$",
            NEURON,
            "neuron F1 first z",
        ),
        Row("4", r"$h(\alpha, \omega, \beta) = \Phi(\zeta)$", NEURON, "neuron F1 first a"),
        Row(
            "5-6",
            r"$\frac{\partial h}{\partial a} = \Phi'(\zeta)\, \omega^T$, $\frac{\partial "
            r"h}{\partial w} = \Phi'(\zeta)\, \alpha^T$, $\frac{\partial h}{\partial b} = "
            r"\Phi'(\zeta)$",
            NEURON,
            "neuron F1 first dha; neuron F1 first dhw; neuron F1 first dhb",
            "derivatives.forms.neuron_derivatives",
        ),
    ),
    "Back to partial derivatives for a layer": (
        Row(
            "1-3",
            r"$\frac{\partial f}{\partial a}$, the rows $\Phi'(\zeta_k) \cdot \omega_k^T$",
            LAYER,
            "jacobian B2a every dfa",
            JACOBIANS,
        ),
        Row(
            "4",
            r"$\frac{\partial f}{\partial w_k}$, with $\Phi'(\zeta_k) \cdot \alpha^T$ in line k",
            LAYER,
            functions=JACOBIANS,
        ),
        Row(
            "5-6",
            r"$\frac{\partial f}{\partial b_k}$, and $\frac{\partial f}{\partial b} = "
            r"\mathrm{diag}(\Phi'(\zeta_1), \ldots, \Phi'(\zeta_m))$",
            LAYER,
            "jacobian B4 every dfb",
            JACOBIANS,
        ),
    ),
    "Back to partial derivatives for an entire network": (
        Row(
            "1",
            r"$\mathcal P^{L+1}$ and $\mathcal P^j = \mathcal P^{j+1} \cdot \frac{\partial "
            r"f^j}{\partial a^{j-1}}$, with the rows written out",
            LAYER,
            "jacobian B1z output P; jacobian B2a every P",
            JACOBIAN,
        ),
        Row(
            "2",
            r"$\frac{\partial \mathcal E}{\partial w^j_k} = \mathcal P^{j+1} \cdot "
            r"\frac{\partial f^j}{\partial w^j_k}$, with line k written out",
            LAYER,
            "jacobian B3 every Pw",
            JACOBIAN,
        ),
        Row(
            "3",
            r"$\frac{\partial \mathcal E}{\partial b^j} = \mathcal P^{j+1} \cdot "
            r"\mathrm{diag}(\Phi'(\zeta^j_1), \ldots)$",
            LAYER,
            "jacobian B4 every Pb",
            JACOBIAN,
        ),
    ),
    "Back to gradient descent": (
        Row(
            "1-2",
            r"$\nabla_{w^j_k} \mathcal E = \left[\frac{\partial \mathcal E}{\partial "
            r"w^j_k}\right]^T$, $\nabla_{b^j} \mathcal E = \left[\frac{\partial \mathcal "
            r"E}{\partial b^j}\right]^T$",
            BACK,
        ),
        Row(
            "3-5",
            r"$\Omega^j = (\omega^j_1, \ldots, \omega^j_{n_j})$, $\nabla_{W^j} \mathcal E = "
            r"(\nabla_{w^j_1} \mathcal E \cdots \nabla_{w^j_{n_j}} \mathcal E)$",
            BACK,
            "sample B3 every",
        ),
        Row(
            "6-7",
            r"$\Omega^j \leftarrow \Omega^j - \eta \cdot \nabla_{W^j} \mathcal E$, $\beta^j "
            r"\leftarrow \beta^j - \eta \cdot \nabla_{b^j} \mathcal E$",
            BACK,
            "batch U every; batch U every b_new",
        ),
    ),
    "Effective computations": (
        Row(
            "1",
            r"$\mathcal P^j$ in three equal ways, the last $\left[\Phi'(\zeta^j) \odot "
            r"[\mathcal P^{j+1}]^T\right]^T \cdot [\Omega^j]^T$",
            EFFECTIVE,
        ),
        Row(
            "2-3",
            r"$\nabla_{W^j} \mathcal E$ in three equal ways, the last $\alpha^{j-1} \cdot "
            r"\left[\Phi'(\zeta^j) \odot [\mathcal P^{j+1}]^T\right]^T$",
            EFFECTIVE,
            "sample B3 every",
        ),
        Row(
            "4",
            r"$\nabla_{b^j} \mathcal E = \Phi'(\zeta^j) \odot [\mathcal P^{j+1}]^T$",
            EFFECTIVE,
            "sample B4 every",
        ),
    ),
    "Backpropagation rules": (
        Row(
            "1-2",
            r"$\mathcal B^j = \Phi'(\zeta^j) \odot [\mathcal P^{j+1}]^T$, $\mathcal P^j = "
            r"[\Omega^j \mathcal B^j]^T$",
            EFFECTIVE,
            "sample B2b hidden; sample B2a hidden",
        ),
        Row(
            "3-4",
            "The four rules",
            EFFECTIVE,
            "sample B1z output; sample B2b hidden; sample B3 every; sample B4 every",
            "core.backprop.backward",
        ),
    ),
    "Backpropagation and gradient computation": (
        Row(
            "1",
            r"Line 1: $\mathcal B^L \leftarrow \Phi'(\zeta^L) \odot \nabla_{\alpha^L} \mathcal "
            r"C(\alpha^L, \rho)$; it does not hold for softmax",
            BACKWARD,
            "batch B1z output",
            "core.backprop.output_derivative",
        ),
        Row(
            "2",
            r"Line 2: $[\mathcal P^L]^T \leftarrow \Omega^L \cdot \mathcal B^L$",
            BACKWARD,
            "batch B2a hidden",
        ),
        Row(
            "3-5",
            r"Lines 3 to 5, for $j \leftarrow L - 1$ to 1: $\mathcal B^j$ and $[\mathcal P^j]^T$",
            BACKWARD,
            "batch B2b hidden; batch B2a input",
        ),
        Row(
            "6",
            "Algorithm 3 (1 in the first build): backpropagation",
            BACKWARD,
            functions="core.backprop.backward",
        ),
        Row(
            "7-9",
            r"$\mathrm{Gradient}(\Omega^j) \leftarrow \alpha^{j-1} \cdot [\mathcal B^j]^T$, "
            r"$\mathrm{Gradient}(\beta^j) \leftarrow \mathcal B^j$",
            GRADIENTS,
            "batch B3 every; batch B4 every",
        ),
        Row(
            "10", "Algorithm 4: gradient computation", GRADIENTS, functions="core.backprop.backward"
        ),
    ),
}
"""By slide, in its last build."""
