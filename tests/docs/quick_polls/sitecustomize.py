"""Let clients poll every 50 ms, unless their program sets another interval.

Python imports this module when it starts, if its folder is in ``PYTHONPATH``. The
programs of the pages have the intervals of a real service, and run without a change.
"""

from openfunnel_async import OpenFunnel, PollPolicy

defaults = OpenFunnel.__init__.__kwdefaults__ or {}
assert defaults["polling"] == PollPolicy()
defaults["polling"] = PollPolicy.fixed(0.05)
