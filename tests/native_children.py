"""What child processes run: in a module that a new interpreter can import by name."""

from backpass import train
from native_cases import draw_batch, new_network

SIZES = (20, 64, 64, 3)


def fitted(n_threads=2, dtype="float32", epochs=2):
    """Return the parameters after a fit with more than one thread, as bytes."""
    network = new_network(SIZES, "relu", "softmax", "cross_entropy", dtype)
    X, y, s = draw_batch(network, 500)
    train(network, X, y, s, seed=0, engine="native", epochs=epochs, n_threads=n_threads)
    return network.parameters.flat.tobytes() + network.predict(X).tobytes()


def put_fitted(queue):
    queue.put(fitted())
