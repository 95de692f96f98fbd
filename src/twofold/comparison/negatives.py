"""What systems share whose anomalies are made, or are known in the source."""

from __future__ import annotations

from twofold.methods.base import Method, MethodConfig, Need

__all__ = ["ContrastedMethod", "NegativesConfig"]


class NegativesConfig(MethodConfig):
    """Options of :class:`ContrastedMethod`; subclasses narrow ``source_negatives``."""

    source_negatives: str

    def wanted(self, needs: frozenset[Need]) -> frozenset[Need]:
        """Source anomalies as well, where the negatives are labelled."""
        labelled = self.source_negatives == "labelled"
        return needs | ({"source_anomalies"} if labelled else set())


class ContrastedMethod(Method):
    """A few-shot system whose anomalies are made, or are source images known to be anomalous."""

    needs = frozenset({"target_shots"})
    may_need = frozenset({"source_anomalies"})
    Config = NegativesConfig
