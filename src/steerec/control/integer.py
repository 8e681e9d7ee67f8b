"""Integer programs for what neither the closed form nor a table covers (HiGHS through scipy).

Every answer is rounded and checked again in integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from steerec.control.model import Model
from steerec.control.problem import IntArray

FloatArray = NDArray[np.float64]

_INFEASIBLE = 2
_SLIP = 1e-5
"""What a row may miss a bound by, for a coefficient of 1: rounding of scores, never of a count."""


def solve_integer(
    cost: FloatArray,
    matrix: csr_array,
    lower: FloatArray,
    upper: FloatArray,
    most: FloatArray,
    *,
    least: FloatArray | None = None,
) -> FloatArray | None:
    """Minimise `cost @ x` over integers `least` <= x <= `most` with `lower` <= `matrix @ x` <= `upper`.

    Args:
        cost: (X,) objective.
        matrix: (rows, X) constraints.
        lower: (rows,) lower bounds.
        upper: (rows,) upper bounds.
        most: (X,) upper bounds of the unknowns.
        least: (X,) lower bounds of the unknowns; 0 by default.

    Returns:
        The optimum (X,), rounded, or None where nothing satisfies the constraints.

    Raises:
        RuntimeError: the solver stopped without an answer, or its answer fails the check in integers.
    """
    answer = milp(
        cost,
        integrality=np.ones(cost.size),
        bounds=Bounds(0 if least is None else least, most),
        constraints=LinearConstraint(matrix, lower, upper),
        options={"mip_rel_gap": 0},
    )
    if answer.status == _INFEASIBLE:
        return None
    if answer.x is None or answer.status != 0:
        raise RuntimeError(f"the integer solver stopped without an answer: {answer.message}")
    solution = np.rint(answer.x)
    reached = matrix @ solution
    slip = _SLIP * abs(matrix).max(axis=1).toarray().ravel()
    if (reached < lower - slip).any() or (reached > upper + slip).any():
        raise RuntimeError("the integer solver's answer, rounded, breaks a bound")
    return np.asarray(solution)


def constraints_of(model: Model) -> tuple[csr_array, FloatArray, FloatArray]:
    """Rows, segments and pools of a model over its counts (V, G), flattened variable by variable."""
    num_variables, num_segments = model.alive.shape
    rows = (model.member[:, :, None] & model.inside[:, None, :]).reshape(model.rows.size, model.alive.size)
    segments = np.tile(np.eye(num_segments), (1, num_variables))
    pools = np.repeat(model.pool[None, :] == np.arange(model.supply.size)[:, None], num_segments, axis=1)
    matrix = csr_array(np.concatenate([rows, segments, pools]).astype(np.float64))
    lower = np.concatenate([model.lower, model.length, np.zeros(model.supply.size, dtype=np.int64)])
    upper = np.concatenate([model.upper, model.length, model.supply])
    return matrix, lower.astype(np.float64), upper.astype(np.float64)


def counts_by_program(model: Model) -> IntArray | None:
    """Return counts (V, G) that satisfy a model, or None where none do."""
    matrix, lower, upper = constraints_of(model)
    most = np.where(model.alive, model.length, 0).ravel()
    solution = solve_integer(np.zeros(most.size), matrix, lower, upper, most)
    return None if solution is None else solution.reshape(model.alive.shape).astype(np.int64)
