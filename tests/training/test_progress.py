import sys

from tests.training.example import X, Y, classifier


def test_progress_in_a_log_file_is_one_line_for_the_first_and_the_last_epoch(capsys):
    classifier().fit(X, Y, epochs=3, seed=0, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "3/3"]
    assert "loss" in lines[0]
    assert "accuracy" in lines[0]


def test_nothing_is_printed_where_nobody_looks(capsys):
    classifier().fit(X, Y, epochs=2, seed=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_progress_in_a_terminal_is_a_bar(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    classifier().fit(X, Y, epochs=3, seed=0)
    assert "epoch 3/3" in terminal.getvalue()


def test_progress_in_a_notebook_is_one_line_that_changes(monkeypatch, capsys):
    import types

    shown = []
    handle = types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))
    shell = types.SimpleNamespace(kernel=object())
    display = types.SimpleNamespace(display=lambda data, raw, display_id: handle)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    classifier().fit(X, Y, epochs=3, seed=0)
    assert shown[-1].startswith("epoch 3/3  loss ")
    assert capsys.readouterr().err == ""
