"""Builds the documentation as a site: sphinx-build -W docs site (with the extra "docs"; nothing is fetched)."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

import pysmorch
from pysmorch import layers, losses, plots

HERE = Path(__file__).parent

project = "PySmorch"
author = "The PySmorch developers"
copyright = f"2026, {author}"
version = release = pysmorch.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["exercises"]
suppress_warnings = ["config.cache"]
default_role = "py:obj"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
numpydoc_show_class_members = False


FIGURES: set[Figure] = set()
"""Those that are written; they are kept, since a new one could have the `id` of one that is gone."""


def figures_of(block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Write the figures that a part of an example has made; those of pysmorch.plots are not in the state of pyplot."""
    found = [
        value for value in block_vars["example_globals"].values() if isinstance(value, Figure) and value not in FIGURES
    ]
    paths = []
    for figure, path in zip(found, block_vars["image_path_iterator"], strict=False):
        FIGURES.add(figure)
        figure.savefig(path, dpi=120, bbox_inches="tight")
        paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])


sphinx_gallery_conf = {
    "image_scrapers": (figures_of,),
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 3600,
    "backreferences_dir": None,
}

html_theme = "furo"
html_title = "PySmorch"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}


templates_path = ["templates"]

# Pages that are files of the repository, and links of which the site has another page.
PAGES = {
    "security": "SECURITY.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "benchmarks": "benchmarks/README.md",
}
LINKS = {f"]({'../' * up}{path}": f"](/repository/{name}.md" for name, path in PAGES.items() for up in (0, 1)}
LINKS |= {
    "](docs/": "](/",
    "](../src/pysmorch/layers)": "](/reference/index.md)",
    "](../src/pysmorch/training/history.py)": "](/reference/index.md)",
    "](benchmarks/)": "](/repository/benchmarks.md)",
}

FAMILIES = (
    "dense_layers",
    "activations",
    "normalization",
    "dropout",
    "convolution",
    "pooling",
    "embedding",
    "merge",
    "shape",
    "functions",
    "arithmetic",
    "axes",
    "augmentation",
    "compose",
)
OTHERS = [name for name in pysmorch.__all__ if name not in [*layers.__all__, *losses.__all__]]


def reference() -> dict[str, list[str]]:
    """Return the pages of the reference: the title and the names on each. What has no page of its own is on the last one."""
    lower = [name for family in FAMILIES for name in getattr(layers, family).__all__]
    of = {name: getattr(getattr(pysmorch, name), "__module__", "") for name in OTHERS}
    pages = {
        "Estimators and models": [
            *("Classifier", "Regressor", "fit_many", "for_small_groups", "ManyModels", "load", "from_onnx"),
            *("Network", "History", "Tuner", "Cluster"),
        ],
        "Layers": ["Layer", *lower],
        "Losses": losses.__all__,
        "Optimizers and schedules": [
            name for name, module in of.items() if module.startswith(("pysmorch.optimizers", "pysmorch.schedules"))
        ],
        "Networks for images": [
            f"models.{name}" for name in ("lenet", "resnet20", "resnet32", "resnet44", "resnet56", "mobilenet_small")
        ],
        "Plots": [f"plots.{name}" for name in plots.__all__],
    }
    seen = {name for names in pages.values() for name in names}
    rest = [
        name for name in pysmorch.__all__ if name not in seen and not isinstance(getattr(pysmorch, name), ModuleType)
    ]
    return pages | {"Checks, training and other tools": rest}


def write_pages() -> None:
    """Write the sources of the reference and of the pages from elsewhere, which are not kept."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    pages = {re.sub(r"\W+", "-", title.lower()): (title, names) for title, names in reference().items()}
    for file, (title, names) in pages.items():
        listed = "\n".join(f"   {name}" for name in names)
        page = f"{title}\n{'=' * len(title)}\n\n.. currentmodule:: pysmorch\n\n.. autosummary::\n   :toctree: .\n   :nosignatures:\n\n{listed}\n"
        write(folder / f"{file}.rst", page)
    write(
        folder / "index.md",
        "# Reference\n\nEvery public name. Import them from `pysmorch`.\n\n```{toctree}\n"
        + "\n".join(pages)
        + "\n```\n",
    )
    (HERE / "repository").mkdir(exist_ok=True)
    for name, path in PAGES.items():
        write(HERE / "repository" / f"{name}.md", (HERE.parent / path).read_text())


def write(path: Path, text: str) -> None:
    """Write a file if that changes it, so that only what changed is built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def change_links(app: Sphinx, name: str, source: list[str]) -> None:
    """Let links between files of the repository lead to pages of the site."""
    for link, page in LINKS.items():
        source[0] = source[0].replace(link, page)
    source[0] = re.sub(r"\]\(\.\./examples/(\w+)\.py\)", r"](/gallery/\1)", source[0])


def skip_requests(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the methods for metadata, which scikit-learn gives every estimator."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None


def setup(app: Sphinx) -> None:
    """Add what is special here."""
    write_pages()  # before Sphinx looks for sources
    app.connect("source-read", change_links)
    app.connect("autodoc-skip-member", skip_requests)
