"""
Noise out of images
===================

A U-shaped network: down to half the size and back, and a way across for the details.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from pysmorch import Concat, ConvTranspose2d, Data, MaxPool2d, Network, Relu, SquareLoss, conv, weights_from

clean = load_digits().images[..., np.newaxis] / 16
noisy = clean + 0.3 * np.random.default_rng(0).standard_normal(clean.shape)

with weights_from(seed=0):
    fine = conv(Data(shape=(None, 8, 8, 1)), 16)
    coarse = conv(conv(MaxPool2d(fine), 32), 32)
    back = Relu(ConvTranspose2d(coarse, 16, kernel_size=2, stride=2))
    network = Network(SquareLoss(conv(conv(Concat(fine, back), 16), 1, activation=None)))

network.fit(noisy[:1500], clean[:1500], optimizer="adam", epochs=10, batch_size=30, seed=0)
print(network.summary())
pictures = {"clean": clean[1500:1508], "noisy": noisy[1500:1508], "denoised": network.predict(noisy[1500:1508])}
before, after = (np.mean(np.square(images - clean[1500:])) for images in (noisy[1500:], network.predict(noisy[1500:])))
print(f"mean square of the noise {before:.3f}, of what is left of it {after:.3f}")

# %%
# One row of digits as they were, with noise, and as the network makes them:
figure, axes = plt.subplots(3, 8, figsize=(8, 3))
for row, (name, images) in zip(axes, pictures.items(), strict=True):
    for axes_of_one, image in zip(row, images, strict=True):
        axes_of_one.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
        axes_of_one.set_xticks([])
        axes_of_one.set_yticks([])
    row[0].set_ylabel(name)
figure.tight_layout()
