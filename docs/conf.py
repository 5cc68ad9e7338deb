"""The settings of the site: `nox -s docs` builds it and fails at any warning."""

from openfunnel_async import __version__

project = "openfunnel-async"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docs.extensions.docstrings",
    "docs.extensions.drawings",
    "docs.extensions.findable",
    "docs.extensions.llms",
    "docs.extensions.names",
    "docs.extensions.sources",
    "docs.extensions.whole",
]

myst_heading_anchors = 3

default_role = "py:obj"
maximum_signature_line_length = 110
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
nitpicky = True
nitpick_ignore_regex = [
    # These are in the documentation of other projects; links to them would make the
    # build need the network.
    ("py:.*", r"(aiohttp|asyncio|collections\.abc|contextlib|os|pathlib|pl|types)\..*"),
    ("py:.*", r"(datetime|mcp)\..*"),
    ("py:.*", r"procrastinate\..*"),
    # Private parts that the constructor of the steps names, which the client calls.
    ("py:class", r"openfunnel_async\.book\._(jobs|ledger)\..*"),
    # A Book, which is described by its own name.
    ("py:class", r"openfunnel_async\._job\.results\.Knows"),
    # Private parts of the sandbox that the public attributes of a `Job` name.
    ("py:class", r"openfunnel_async\.sandbox\._.*\.(FoundCompanies|Search|Timeline)"),
    ("py:class", "CodeSent"),
    # Of the SDK of MCP, whose module is imported for type checkers alone.
    ("py:class", "Server"),
    # The options of `with_options()` and `buy()` are listed in their descriptions.
    ("py:class", r"openfunnel_async\._client\..*Options"),
]

# What a program printed is not copied, nor a prompt.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
copybutton_exclude = ".linenos, .gp, .go"

# What people search for, and the page whose title, heading or index entry it has to be.
findable = {
    "agent": "reference/cli",
    "cancel": "explanation/life-of-a-job",
    "command line": "reference/cli",
    "csv": "how-to/export",
    "logging": "reference/events",
    "notebook": "reference/progress",
    "proxy": "reference/transports",
    "retry": "explanation/money-and-cancellation",
    "timeout": "reference/client",
}

html_theme = "furo"
html_title = "openfunnel-async"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
