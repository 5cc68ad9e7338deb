"""Turn the names that prose and annotations use into links to the reference.

Pages and docstrings write `BulkJob` or `job.cancel()` as plain code, which is readable
everywhere; here a name that the reference describes becomes a link. Annotations name a
class by its private module, the reference by the public one: the same list of names
connects the two.
"""

from collections.abc import Iterator, Mapping

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

PACKAGE = "openfunnel_async."
# The names of values in the examples.
VARIABLES = {
    "client": "OpenFunnel",
    "job": "BulkJob",
    "outcome": "JobOutcome",
    "receipt": "CancelReceipt",
    "rows": "RowStream",
    "sandbox": "Sandbox",
    "snapshot": "JobSnapshot",
}
_CLOSED = (nodes.title, nodes.reference, desc_signature)


def names_of(env: BuildEnvironment) -> Mapping[str, ObjectEntry]:
    """List the reference by the names that prose may use.

    A class by its own name, a member as `Class.member`, and a method as `method()`
    where only one class has it.
    """
    names: dict[str, ObjectEntry] = {}
    methods: dict[str, list[ObjectEntry]] = {}
    objects: Mapping[str, ObjectEntry] = env.domaindata["py"]["objects"]
    for full_name, entry in objects.items():
        if not full_name.startswith(PACKAGE) or entry.objtype == "module":
            continue
        *_, holder, name = full_name.split(".")
        names[f"{holder}.{name}" if holder[0].isupper() else name] = entry
        if entry.objtype == "method":
            methods.setdefault(f"{name}()", []).append(entry)
    return names | {name: only for name, (only, *more) in methods.items() if not more}


def look_up(names: Mapping[str, ObjectEntry], text: str) -> ObjectEntry | None:
    """Find what a piece of code names, or None if the reference does not have it."""
    name, call, _ = text.partition("(")
    first, dot, rest = name.partition(".")
    holder = VARIABLES.get(first, first) if dot else first
    # `Sandbox` inherits its options and its evidence from `Service`.
    inherited = names.get(f"Service.{rest}") if holder == "Sandbox" else None
    return names.get(f"{name}()" if call else name) or (
        names.get(f"{holder}{dot}{rest}") or inherited
    )


def link_names(app: Sphinx, page: nodes.document, docname: str) -> None:
    """Make a link of inline code that is a name of the reference."""
    names = names_of(app.env)
    for literal in list(_literals(page)):
        entry = look_up(names, literal.astext())
        if entry is not None:
            place = (entry.docname, entry.node_id)
            shown = literal.deepcopy()
            literal.replace_self(make_refnode(app.builder, docname, *place, shown))


def _literals(page: nodes.document) -> Iterator[nodes.literal]:
    """Yield inline code, except in titles, links and signatures."""
    for literal in page.findall(nodes.literal):
        node: nodes.Element | None = literal
        while node is not None and not isinstance(node, _CLOSED):
            node = node.parent
        if node is None:
            yield literal


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Element
) -> nodes.reference | None:
    """Resolve a class that an annotation names by its private module."""
    if node.get("refdomain") != "py":
        return None
    names, target = names_of(env), str(node["reftarget"])
    entry = look_up(names, target) or names.get(target.rpartition(".")[2])
    if entry is None:
        return None
    here = str(node["refdoc"])
    return make_refnode(app.builder, here, entry.docname, entry.node_id, shown)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("doctree-resolved", link_names)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
