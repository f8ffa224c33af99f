"""The Smorch, a fluffy animal that is glad with you: drawn by a few shapes, no two in a row alike."""

from __future__ import annotations

import random
from math import cos, pi, sin
from typing import NamedTuple

from pysmorch.diagram.svg import Svg, document, element, text

WIDTH, HEIGHT = 420, 390
MIDDLE, CHEST = 210, 185
INK = "#2b2a33"
CONFETTI = ("#ef476f", "#ffb703", "#06a77d", "#118ab2", "#8e6bbf")


class Coat(NamedTuple):
    """Colours of the fur, its shade, and the belly."""

    fur: str
    shade: str
    belly: str


COATS = (
    Coat("#5fb3d9", "#3d8cb3", "#d8eef8"),
    Coat("#f29f58", "#cf7a31", "#fde8d3"),
    Coat("#8cc26f", "#679c4b", "#e5f3dc"),
    Coat("#b08fd8", "#8a67b5", "#ece2f8"),
    Coat("#ec8fa6", "#c9667f", "#fce3e9"),
)

# None is longer than 55 characters, so that it fits under the picture.
JOKES = (
    "The gradient points uphill. You went the other way.",
    "You and your loss: one had to go down. Well chosen.",
    "The finite differences want your autograph.",
    "No gradient vanished in the making of this layer.",
    "You left a local minimum. The view from here is better.",
    "A derivative work, and yet entirely original.",
    "Backward pass: passed. Forward, march!",
    "Correct to seven digits. The eighth is shy.",
    "If this layer had a chain, it would rule.",
    "Adam has his moments. You have them too.",
    "Dropout: the only course in which leaving early helps.",
    "A residual joke: the same as before, plus a little.",
    "I am recurrent. I am recurrent. I am bounded.",
    "May I have your attention? The weights sum to one.",
    "Overfitting: I know this joke by heart, and no other.",
    "The bug has been caught and released into the wild.",
    "Convolved, pooled, flattened, and still smiling.",
    "This joke was stopped early, at its best.",
)


def smorch(variant: int) -> Svg:
    """Draw a Smorch with confetti and a joke; the same number gives the same picture."""
    coat = COATS[variant % len(COATS)]
    ears = (_cat, _bear, _rabbit, _horns)[variant % 4]
    hat = (_party_hat, _crown, _mortarboard)[variant % 3]
    joke = JOKES[variant % len(JOKES)]
    animal = element("g", *ears(coat), *_body(coat), *_face(variant), *hat(), transform=f"translate({MIDDLE} {CHEST})")
    words = [text(MIDDLE, 342, "Good job!", font_size=26, font_weight="bold")]
    words.append(text(MIDDLE, 368, joke, font_size=14))
    return document(
        WIDTH,
        HEIGHT,
        f"Good job! {joke} A fluffy animal throws up its arms in confetti.",
        element("rect", width=WIDTH, height=HEIGHT, rx=18, fill="#fffaf0"),
        *_confetti(random.Random(variant)),
        animal,
        element("g", *words, text_anchor="middle", font_family="ui-rounded, system-ui, sans-serif", fill=INK),
    )


def _confetti(rng: random.Random) -> list[str]:
    pieces = []
    for i in range(70):
        x, y, colour = rng.randrange(14, WIDTH - 14), rng.randrange(12, 298), rng.choice(CONFETTI)
        turn = f"rotate({rng.randrange(180)} {x} {y})"
        if i % 10 == 0:
            streamer = f"M{x} {y}q6 -8 12 0t12 0t12 0"
            pieces.append(
                element(
                    "path",
                    d=streamer,
                    fill="none",
                    stroke=colour,
                    stroke_width=3,
                    stroke_linecap="round",
                    transform=turn,
                )
            )
        elif i % 3 == 0:
            pieces.append(element("circle", cx=x, cy=y, r=rng.choice((3, 4)), fill=colour))
        else:
            pieces.append(element("rect", x=x - 3, y=y - 5, width=6, height=10, rx=1, fill=colour, transform=turn))
    return pieces


def _fluff(width: float, height: float, tufts: int = 26) -> str:
    """Return the outline of an ellipse with tufts of fur."""

    def at(turn: float, size: float) -> str:
        angle = 2 * pi * turn / tufts
        return f"{size * width * sin(angle):.1f} {-size * height * cos(angle):.1f}"

    return f"M{at(0, 1)}" + "".join(f"Q{at(i + 0.5, 1.13)} {at(i + 1, 1)}" for i in range(tufts)) + "Z"


def _body(coat: Coat) -> list[str]:
    arm = {"fill": "none", "stroke": coat.fur, "stroke_width": 24, "stroke_linecap": "round"}
    return [
        element("ellipse", cx=0, cy=112, rx=84, ry=10, fill=INK, opacity=0.12),
        element("ellipse", cx=-34, cy=102, rx=28, ry=14, fill=coat.shade),
        element("ellipse", cx=34, cy=102, rx=28, ry=14, fill=coat.shade),
        element("path", d="M-72 16Q-112 -6 -116 -58", **arm),
        element("path", d="M72 16Q112 -6 116 -58", **arm),
        element("path", d=_fluff(86, 96), fill=coat.fur),
        element("ellipse", cx=0, cy=50, rx=52, ry=42, fill=coat.belly),
    ]


def _face(variant: int) -> list[str]:
    look = (variant % 3 - 1) * 4
    eyes = []
    for x in (-30, 30):
        eyes.append(element("circle", cx=x, cy=-28, r=20, fill="#ffffff"))
        eyes.append(element("circle", cx=x + look, cy=-30, r=11, fill=INK))
        eyes.append(element("circle", cx=x + look + 4, cy=-35, r=4, fill="#ffffff"))
    cheeks = [element("ellipse", cx=x, cy=2, rx=13, ry=8, fill="#ff7a8a", opacity=0.55) for x in (-56, 56)]
    mouth = [
        element("path", d="M-26 4Q0 12 26 4Q22 36 0 36Q-22 36 -26 4Z", fill=INK),
        element("path", d="M-15 28Q0 16 15 28Q9 36 0 36Q-9 36 -15 28Z", fill="#ef6f84"),
        element("path", d="M-11 7Q0 10 11 7L9 13Q0 15 -9 13Z", fill="#ffffff"),
        element("ellipse", cx=0, cy=-8, rx=8, ry=5.5, fill=INK),
    ]
    return [*eyes, *cheeks, *mouth]


def _mirrored(*shapes: str) -> list[str]:
    return [*shapes, element("g", *shapes, transform="scale(-1 1)")]


def _cat(coat: Coat) -> list[str]:
    return _mirrored(
        element(
            "path",
            d="M30 -84L76 -124Q84 -84 74 -48Z",
            fill=coat.fur,
            stroke=coat.fur,
            stroke_width=8,
            stroke_linejoin="round",
        ),
        element("path", d="M46 -84L72 -108Q76 -84 70 -64Z", fill=coat.belly),
    )


def _bear(coat: Coat) -> list[str]:
    return _mirrored(
        element("circle", cx=62, cy=-82, r=27, fill=coat.fur),
        element("circle", cx=64, cy=-84, r=14, fill=coat.belly),
    )


def _rabbit(coat: Coat) -> list[str]:
    tilt = "rotate(20 46 -80)"
    return _mirrored(
        element("ellipse", cx=46, cy=-116, rx=19, ry=56, fill=coat.fur, transform=tilt),
        element("ellipse", cx=46, cy=-116, rx=9, ry=42, fill=coat.belly, transform=tilt),
    )


def _horns(coat: Coat) -> list[str]:
    return _mirrored(
        element("path", d="M44 -82Q74 -92 74 -124Q96 -84 66 -58Z", fill=coat.belly, stroke=coat.shade, stroke_width=3),
    )


def _party_hat() -> list[str]:
    return [
        element("path", d="M-27 -88L4 -158L31 -86Q2 -76 -27 -88Z", fill="#ef476f"),
        element("path", d="M-19 -106L27 -98L22 -111L-12 -122ZM-7 -133L16 -127L11 -140L-2 -146Z", fill="#ffd166"),
        element("circle", cx=4, cy=-160, r=9, fill="#118ab2"),
    ]


def _crown() -> list[str]:
    return [
        element(
            "path",
            d="M-34 -84L-40 -126L-18 -106L0 -134L18 -106L40 -126L34 -84Q0 -74 -34 -84Z",
            fill="#ffca3a",
            stroke="#d99b00",
            stroke_width=3,
            stroke_linejoin="round",
        ),
        *(
            element("circle", cx=x, cy=y, r=5, fill=colour)
            for x, y, colour in ((-20, -91, "#ef476f"), (0, -89, "#118ab2"), (20, -91, "#06a77d"))
        ),
    ]


def _mortarboard() -> list[str]:
    return [
        element("path", d="M-36 -104Q0 -90 36 -104L36 -82Q0 -68 -36 -82Z", fill="#20242c"),
        element("path", d="M0 -136L66 -112L0 -90L-66 -112Z", fill="#343a46"),
        element("path", d="M0 -113Q34 -112 50 -104L52 -84", fill="none", stroke="#ffca3a", stroke_width=3),
        element("path", d="M48 -86L56 -86L58 -68L46 -68Z", fill="#ffca3a"),
    ]
