"""Draw the picture of docs/how-to/check-gradients.md: ``python docs/make_check_picture.py``."""

import pathlib

import matplotlib as mpl
import numpy as np

from backpass import Network, check_gradients

mpl.use("svg")
mpl.rcParams |= {"svg.hashsalt": "backpass", "font.family": "sans-serif"}

network = Network([3, 5, 4, 2], ["tanh", "relu"], "softmax", "cross_entropy", seed=0)
rng = np.random.default_rng(0)
X, y = rng.normal(size=(6, 3)), rng.integers(2, size=6)
check = check_gradients(network, X, y, sample_weight=rng.uniform(0.5, 2, 6), alpha=0.1)
figure = check.plot_steps(layer=1).figure_
figure.set_size_inches(6.4, 4)
place = pathlib.Path(__file__).parent / "images" / "step-sizes.svg"
figure.savefig(place, metadata={"Date": None})
