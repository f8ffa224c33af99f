"""
A convolutional network for small images
========================================

A LeNet for the bundled digits: its filters, and what it takes for what.
"""

from sklearn.datasets import load_digits

from pysmorch import Classifier, models, plots

images, y = load_digits().images[..., None], load_digits().target
model = Classifier(network=models.lenet, epochs=15, random_state=0).fit(images[:1400], y[:1400])
print(f"{model.score(images[1400:], y[1400:]):.1%} of the test images are right")
print(model.network_.summary())
confusion = plots.confusion(model, images[1400:], y[1400:])

# %%
# The filters of the first convolution:
filters = plots.weights(next(layer for layer in model.network_.layers if type(layer).__name__ == "Conv2d"))
