"""Finding submissions in files and folders."""

import pytest

from pysmorch.teach.classroom import STORE_NAME, find_submissions


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Write files, with what they contain, and find the submissions in the folder, or in what is named."""
    monkeypatch.chdir(tmp_path)

    def call(files, *paths, **options):
        for name, content in files.items():
            path = tmp_path / "class" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return find_submissions(paths or ["class"], ["Relu", "Bias"], **options)

    return call


def names_and_files(found):
    return [(submission.name, submission.path.as_posix()) for submission in found.submissions]


def test_files_and_folders_are_students(found):
    result = found({"bob.py": "", "al/ps1/hw.ipynb": "", "Émile Ünal_12/hw.PY": "", "cy.ipynb": ""})
    assert names_and_files(result) == [
        ("al", "class/al/ps1/hw.ipynb"),
        ("bob", "class/bob.py"),
        ("cy", "class/cy.ipynb"),
        ("Émile Ünal_12", "class/Émile Ünal_12/hw.PY"),
    ]


def test_files_of_tools_and_results_are_passed_over(found):
    names = (".git/x.py", "__MACOSX/._bob.py", "._bob.py", "__pycache__/x.py", STORE_NAME, "utility.py")
    result = found({"bob.py": "", "al/.ipynb_checkpoints/hw.ipynb": "", "al/hw.ipynb": "", **dict.fromkeys(names, "")}, helpers=["utility.py"])  # fmt: skip
    assert names_and_files(result) == [("al", "class/al/hw.ipynb"), ("bob", "class/bob.py")]
    assert result.left_out == []


def test_of_several_files_of_a_student_those_with_a_class_are_graded(found):
    notebook = '{"cells": [{"source": ["import x\\n", "class Bias:\\n"]}]}'
    files = {"al/utility.py": "def f(): pass", "al/hw.py": "x = 1\nclass Relu:\n", "bo/a.py": "", "bo/b.py": "", "cy/hw.ipynb": notebook, "cy/x.py": ""}  # fmt: skip
    result = found(files)
    assert [name for name, _ in names_and_files(result)] == ["al", "bo/a", "bo/b", "cy"]
    assert result.submissions[0].path.name == "hw.py"
    assert result.submissions[3].path.name == "hw.ipynb"


def test_a_student_without_a_file_that_can_be_graded_has_a_row_too(found):
    result = found({"al/hw.pdf": "", "bob.py": "", "notes.txt": ""})
    assert result.submissions[0].problem == "The folder has no file that ends in .py or .ipynb, only hw.pdf."
    assert [path.name for path in result.left_out] == ["notes.txt"]


def test_equal_names_become_paths_and_a_file_named_twice_is_graded_once(found):
    result = found({"al.py": "", "al.ipynb": "", "b/hw.py": ""}, "class", "class/al.py", "class/b/hw.py")
    assert [name for name, _ in names_and_files(result)] == ["class/al.ipynb", "class/al.py", "b"]
    assert result.duplicates == {"al": ["class/al.ipynb", "class/al.py"]}


def test_the_folder_of_one_student_is_one_submission(found):
    result = found({"hw.py": "class Relu: pass", "utility.py": ""}, one_student=True)
    assert [(submission.name, submission.path.name) for submission in result.submissions] == [("class", "hw.py")]


@pytest.mark.parametrize(
    ("files", "paths", "message"),
    [
        ({"notes.txt": ""}, ["class"], "class has no submissions: neither it nor a folder in it has a file that ends in"),
        ({"al/hw.pdf": ""}, ["class"], "class has no submissions: .*; name the folder that has them"),
        ({"al.txt": ""}, ["class/al.txt"], "neither a Python file nor a notebook"),
        ({}, ["nothing"], "no such file or folder"),
    ],
)  # fmt: skip
def test_where_there_are_no_submissions_the_message_says_what_to_do(found, files, paths, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        found(files, *paths)
