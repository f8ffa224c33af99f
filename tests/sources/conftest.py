"""Files made here, and their cells as they were written."""

import pytest

from pysmorch.sources import SourceError, read, tables


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write a text or bytes into a file of a folder of its own, and return the path, which is relative."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tables, "_typed", lambda column: column, raising=False)

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


@pytest.fixture
def cells():
    """Return the columns of a source by name, as lists."""

    def read_cells(source, **options):
        features = read(source, **options).features
        return {name: features[name].to_pylist() for name in features.column_names}

    return read_cells


@pytest.fixture
def refusal():
    """Return the message with which a source is refused, which is one line and names the file."""

    def read_wrong(source, error=SourceError, **options):
        with pytest.raises(error) as info:
            read(source, **options)
        message = str(info.value)
        assert "\n" not in message
        assert message.startswith(str(source).split("::")[0])
        return message

    return read_wrong
