"""Workers: many processes submit and follow the searches of a Book on PostgreSQL.

Procrastinate (https://procrastinate.readthedocs.io) carries the tasks from process to
process, and the Book decides what is done. Start with ``run_worker()``, or with the
command ``openfunnel-async worker``. An app of Procrastinate that you have already gets
the same tasks from ``blueprint`` and ``configure()``. It needs the extra ``workers``.
See docs/how-to/workers.md.
"""

from openfunnel_async.errors import ConfigurationError

try:
    import procrastinate as _procrastinate
    import psycopg as _psycopg
except ImportError:
    raise ConfigurationError(
        'workers need Procrastinate and psycopg: pip install "openfunnel-async'
        '[workers]"'
    ) from None

from openfunnel_async.workers._run import run_worker
from openfunnel_async.workers._tasks import (
    NAMESPACE,
    QUEUES,
    blueprint,
    configure,
    make_blueprint,
)

del _procrastinate, _psycopg

__all__ = [
    "NAMESPACE",
    "QUEUES",
    "blueprint",
    "configure",
    "make_blueprint",
    "run_worker",
]
