"""The metadata entry that says how a compressed model was made."""

from __future__ import annotations

import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.domain import provenance
from onnxdc.domain.provenance import KEY, Provenance
from tests.helpers.text_models import build

OPTIONS = {"prune": {"density": 0.3}, "share": {}, "encode": {"strip": True}, "rules": [{"pattern": "fc*", "bits": 5}]}


def model(**props: str) -> ir.Model:
    made = build("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    made.metadata_props.update(props)
    return made


def test_what_is_stored_is_taken_and_gone():
    made = model(license="any")
    provenance.store(made, OPTIONS)
    assert provenance.take(made) == Provenance(onnxdc.__version__, OPTIONS)
    assert dict(made.metadata_props) == {"license": "any"}
    assert provenance.take(made) is None


def test_the_words_name_the_options_of_each_stage():
    said = Provenance("0.1.0", OPTIONS)
    assert (
        str(said) == 'onnxdc 0.1.0: prune density=0.3, share, encode strip=true, rules [{"pattern": "fc*", "bits": 5}]'
    )
    assert str(Provenance("0.1.0", {})) == "onnxdc 0.1.0"


def test_an_entry_of_the_same_name_comes_back_where_it_was():
    made = model(**{KEY: "somebody's own", "license": "any"})
    provenance.store(made, OPTIONS)
    provenance.take(made)
    assert list(made.metadata_props.items()) == [(KEY, "somebody's own"), ("license", "any")]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "3", '{"onnxdc": 1}', '{"onnxdc": "1", "prune": 3}', '{"onnxdc": "1", "rules": [3]}'),
        *(
            '{"onnxdc": "1", "prune": {"density": [1]}}',
            "[" * 100_000,
            '{"onnxdc": "\\ud800"}',
            '{"onnxdc": "1", "a": null}',
        ),
    ],
    ids=range(12),
)
def test_an_entry_that_is_damaged_counts_as_none_and_stays(text: str):
    made = model(**{KEY: text})
    assert provenance.take(made) is None
    assert made.metadata_props[KEY] == text
