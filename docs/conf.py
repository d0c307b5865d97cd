"""Settings of Sphinx for the site, which `make docs` builds."""

import hashlib
import inspect
import os
import re
import sys
from pathlib import Path

import optax
from myst_nb.core import render
from sphinx.util.typing import stringify_annotation

from charlm.version import VERSION

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
EXPERIMENTS = sorted(path.parent for path in ROOT.glob("experiments/*/README.md"))

project, author, release = "charlm", "the charlm developers", VERSION
project_copyright = author
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
highlight_language = "none"  # of blocks that name no language
html_title = f"charlm {VERSION}"
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["charlm.css"]
html_theme_options = {
    "home_page_in_toc": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_copy_source = html_show_sourcelink = False

# Links to headings, as in the READMEs on GitHub.
myst_heading_anchors = 4
# Headings of a part of a README start at the second level.
suppress_warnings = ["myst.header"]

# Notebooks run in folders of their own. What they print is kept until the sources
# change.
sources_hash = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES))
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build/executed" / sources_hash.hexdigest()[:16])
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}  # no page has widgets, and these come from the network
# Notebooks find the command, and leave nothing in the user's cache.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)
os.environ["CHARLM_CACHE"] = str(DOCS / "_build/cache")
# Nor do they read the user's settings, or warn that they are run on this machine.
os.environ["IPYTHONDIR"] = str(DOCS / "_build/ipython")
PROFILE = DOCS / "_build/ipython/profile_default"
PROFILE.mkdir(parents=True, exist_ok=True)
(PROFILE / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72
python_use_unqualified_type_names = True
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False

SCHEDULE = stringify_annotation(optax.Schedule, "smart")  # as signatures have it

# The page of each file of the repository, or part of one, that has a page.
PAGES = {
    "README.md": "tour",
    "README.md#the-posts-experiments": "experiments",
    "ARCHITECTURE.md": "architecture",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changes",
    "experiments": "experiments",
    "experiments/README.md": "experiments",
    "src/charlm/config.py": "api/options",
}
for folder in EXPERIMENTS:
    name = f"experiments/{folder.name}"
    PAGES[name] = PAGES[f"{name}/README.md"] = name


def write_experiments() -> None:
    """Writes a page for each experiment, which includes its README."""
    folder = DOCS / "experiments"
    folder.mkdir(exist_ok=True)
    for experiment in EXPERIMENTS:
        page = f"```{{include}} /../experiments/{experiment.name}/README.md\n```\n"
        (folder / f"{experiment.name}.md").write_text(page)


def resolve_links(app, path, parent, content) -> None:
    """Makes the links of an included file lead to pages, or to files to download."""
    base = (DOCS / path).resolve().parent

    def resolve(match):
        target = (base / match[1]).resolve()
        if "://" in match[1] or not target.is_relative_to(ROOT) or not target.exists():
            return match[0]
        file = target.relative_to(ROOT).as_posix()
        anchor = match[2] or ""
        page = PAGES.get(file + anchor, PAGES.get(file))
        # MyST takes a notebook for a page, unless it is said to be a file.
        scheme = "path:" if file.endswith(".ipynb") else ""
        return f"](/{page}.md{anchor})" if page else f"]({scheme}/../{file}{anchor})"

    content[0] = re.sub(r"\]\(([^)\s#]+)(#[^)\s]*)?\)", resolve, content[0])


def edit_docstring(app, what, name, obj, options, lines) -> None:
    """Turns a docstring into what Sphinx reads, in place.

    Code between single backticks stays as it is, and the comments beside the fields of
    a class describe them.
    """
    text = re.sub(r"(?<!`)`([^`]+?) *`(?!`)", r"``\1``", "\n".join(lines))
    if what == "class" and "Attributes:" not in text:
        source = inspect.getsource(obj)
        fields = re.findall(r"^    (\w+): .*?  # (.*)$", source, re.MULTILINE)
        fields = [(name, re.sub(r"([|*])", r"\\\1", about)) for name, about in fields]
        about = [f"  {name}: {about}" for name, about in fields]
        text = "\n".join([text, "Attributes:", *about, ""]) if about else text
    lines[:] = text.split("\n")


def shorten_types(app, what, name, obj, options, signature, returns):
    """Returns a signature whose types have no modules."""

    def shorten(text):
        text = text.replace(SCHEDULE, "Schedule")
        return re.sub(r"~?\b(jaxtyping|jaxlib\._jax|numpy|optax\.\w+\.\w+)\.", "", text)

    return signature and shorten(signature), returns and shorten(returns)


def skip_fields(app, what, name, obj, skip, options) -> bool | None:
    """Leaves out the fields of named tuples, which the class describes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def merge_streams(outputs):
    """Returns the outputs of a cell with the parts of each stream joined."""
    merged, streams = [], {}
    for output in outputs:
        name = output.get("name") if output["output_type"] == "stream" else None
        if name in streams:
            streams[name]["text"] += output["text"]
        else:
            merged.append(output.copy())
            streams |= {name: merged[-1]} if name else {}
    return merged


def setup(app) -> None:
    """Connects the functions above."""
    write_experiments()
    # myst-nb's ends each part with a newline, also within a line.
    render.coalesce_streams = merge_streams
    app.connect("include-read", resolve_links)
    app.connect("autodoc-process-docstring", edit_docstring, priority=400)
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("autodoc-skip-member", skip_fields)
