"""Associations with a chosen number of simulated exposures."""

from __future__ import annotations

import json
from pathlib import Path

from badpix_selfcal.simulate import Simulation

__all__ = ["Observation"]


class Observation:
    """Simulated exposures from which associations are made.

    Parameters
    ----------
    made : Simulation
        The exposures. The first science exposure is the one to be flagged.
    """

    def __init__(self, made: Simulation) -> None:
        self._made = made

    def association(self, backgrounds: int, selfcals: int) -> Path:
        """Write an association.

        Parameters
        ----------
        backgrounds, selfcals : int
            Number of background and selfcal exposures, beside one science exposure.

        Returns
        -------
        Path
            The file, in the folder of the exposures.
        """
        science, *others = self._made.science
        groups = {
            "science": [science],
            "background": self._made.background[:backgrounds],
            "selfcal": others[:selfcals],
        }
        members = [
            {"expname": path.name, "exptype": kind}
            for kind, paths in groups.items()
            for path in paths
        ]
        if len(members) != 1 + backgrounds + selfcals:
            raise ValueError(
                f"too few exposures for {backgrounds} backgrounds and {selfcals} selfcal members"
            )
        product = {"name": f"b{backgrounds}s{selfcals}", "members": members}
        about = {"asn_type": "spec2", "asn_pool": "pool", "asn_id": "a1"}
        path = science.with_name(f"{len(members)}_{product['name']}_asn.json")
        path.write_text(json.dumps({**about, "products": [product]}), encoding="utf-8")
        return path
