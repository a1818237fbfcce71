"""How ``make docs`` builds the guide, and the reference of the public names from their docstrings.

The repository is the root of the sources, so links between pages are the same as on GitHub.
"""

from importlib.metadata import version as version_of

project = "mapper_dask"
author = copyright = "mapper_dask contributors"  # noqa: A001 - Sphinx's name for it
version = release = version_of("mapper-dask")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*.rst", "benchmarks/*.md", "tests/*/README.md"]
exclude_patterns = [".*", "build", "node_modules", "mapper_dask", "docs/examples"]

html_theme = "furo"
html_title = f"mapper_dask {version}"

myst_heading_anchors = 4  # as GitHub names them
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_type_aliases = {"ProgressOptions": "ProgressOptions"}  # by its name: it is long
numpydoc_show_class_members = False  # autodoc does
python_maximum_signature_line_length = 88
