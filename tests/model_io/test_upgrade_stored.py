"""Old models that others made, with the outputs that they stored: the onnx package's own, of operator sets 6 to 10."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from onnxdc.model_io import load
from tests.helpers import backend_cases

NOT_RUN = "strnorm"  # needs a locale that not every machine has


@cache
def old_cases() -> list[backend_cases.Case]:
    names = ((kind, name) for kind in backend_cases.STORED_KINDS for name in backend_cases.stored_names(kind))
    cases = (backend_cases.stored_case(kind, name) for kind, name in names if NOT_RUN not in name)
    return [case for case in cases if max(each.version for each in case.model.opset_import if not each.domain) < 11]


def test_old_models_give_what_their_authors_stored():
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    for case in old_cases():
        model = load(case.model)
        assert model.opset_imports[""] == 11
        session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options)
        for expected, found in zip(case.outputs, session.run(None, case.inputs), strict=True):
            np.testing.assert_allclose(found, expected, case.rtol, max(case.atol, 1e-6), err_msg=case.name)
    assert len(old_cases()) > 100
