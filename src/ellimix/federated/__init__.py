"""Fits over rows that stay where they are: only sums travel.

::

    coordinator = Coordinator(...)                     a model; it never sees a row
    until coordinator.done:
        request = coordinator.parameters()             log-potentials of the components
        replies = [site.statistics(request) for ...]   sums over the site's rows
        coordinator = coordinator.update(replies)      their sum, and one M-step

Requests and replies are small records with `to_bytes` and `from_bytes`: JSON, no code.
"""

from ellimix.federated.budget import Ledger, PrivacyBudget
from ellimix.federated.coordinator import Coordinator
from ellimix.federated.messages import Reply, Request
from ellimix.federated.privacy import Privacy
from ellimix.federated.site import Site

__all__ = ["Coordinator", "Ledger", "Privacy", "PrivacyBudget", "Reply", "Request", "Site"]
