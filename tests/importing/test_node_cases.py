"""The node cases of ONNX's own tests: how many are computed, and the list of the others in the docs."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra onnx has it")

from tests.importing.node_cases import cases, result_of, written_reasons

LIST = Path(__file__).parents[2] / "docs/import.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return {case.name: (case.model.graph.node[0].op_type, result_of(case, folder)) for case in cases()}


def test_at_least_350_cases_are_computed(results):
    assert sum(not reason for _, reason in results.values()) >= 350


def test_the_list_of_the_others_is_the_one_in_the_docs(results):
    assert written_reasons(results) in LIST.read_text(encoding="utf-8")
