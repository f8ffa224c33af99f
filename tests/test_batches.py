"""Batches that other programs hand over: dictionaries of arrays, tables of PyArrow, data frames; Ray, Spark and DuckDB."""

import os
import pickle
import shutil
import sys

import numpy as np
import pyarrow as pa
import pytest

from pysmorch import BatchPredictor, Classifier, Data, Linear, Network, Regressor, SquareLoss

pytestmark = pytest.mark.filterwarnings("ignore:column")
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "id": np.arange(80),
        "size": RNG.normal(size=80),
        "town": ["Ulm", "Bonn", None, "Kiel"] * 20,
        "more": RNG.normal(size=80),
    }
)
ROWS = TABLE.select(["size", "town"])
LABELS = np.array(["a", "b"])[(TABLE["size"].to_numpy() > 0).astype(int)]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    model = Classifier(epochs=3, random_state=0, early_stopping=False).fit(ROWS, LABELS)
    model.save(tmp_path_factory.mktemp("model") / "m.safetensors")
    return model, tmp_path_factory.getbasetemp() / "model0" / "m.safetensors"


def as_batch(table, form):
    if form == "arrays":
        return {name: np.array(table[name].to_pylist()) for name in table.column_names}
    if form == "record batch":
        return (
            table.combine_chunks().to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)
        )
    return table.to_pandas() if form == "frame" else table


@pytest.mark.parametrize("form", ["arrays", "table", "record batch", "frame"])
def test_predictions_have_the_form_of_the_batch_and_the_bits_of_predict_proba(classifier, form):
    model, path = classifier
    predictor = pickle.loads(pickle.dumps(BatchPredictor(path, ids=["id"])))
    batches = [as_batch(TABLE.slice(start, 30), form) for start in (0, 30, 60)]
    found = [predictor(batch) for batch in batches]
    assert all(type(result) is type(batch) for result, batch in zip(found, batches, strict=True))
    whole = {
        name: np.concatenate([np.asarray(result[name]) for result in found])
        for name in ("id", "prediction", "probability of a", "probability of b")
    }
    assert whole["id"].tolist() == list(range(80))
    np.testing.assert_array_equal(whole["prediction"], model.predict(ROWS))
    probabilities = np.column_stack([whole["probability of a"], whole["probability of b"]])
    np.testing.assert_array_equal(probabilities, model.predict_proba(ROWS))


@pytest.mark.parametrize("form", ["table", "record batch"])
def test_a_batch_without_rows_has_the_columns_of_others(classifier, form):
    predictor = BatchPredictor(classifier[0], ids=["id"])
    assert predictor(as_batch(TABLE.slice(0, 0), form)).schema == predictor(as_batch(TABLE, form)).schema


def test_models_of_arrays_take_an_array_or_its_columns():
    X = RNG.normal(size=(60, 3))
    model = Regressor(epochs=2, random_state=0, early_stopping=False).fit(X, X[:, 0])
    expected = model.predict(X)
    predictor = BatchPredictor(model, ids=["id"])
    ids = np.arange(60)
    np.testing.assert_array_equal(predictor({"id": ids, "data": X})["prediction"], expected)
    columns = {"id": ids, "a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    np.testing.assert_array_equal(predictor(columns)["prediction"], expected)
    np.testing.assert_array_equal(predictor(pa.table(columns))["prediction"], expected)


def test_what_does_not_fit_is_said(classifier):
    predictor = BatchPredictor(classifier[0], ids=["number"])
    with pytest.raises(ValueError, match="ids: the batch has no column 'number'; the columns are id, size"):
        predictor(TABLE)
    with pytest.raises(ValueError, match="the batch has 1 columns and lacks town"):
        BatchPredictor(classifier[0])(TABLE.select(["size"]))
    with pytest.raises(ValueError, match="the column 'size' of the batch has shape"):
        BatchPredictor(classifier[0])({"size": np.zeros((4, 2)), "town": np.zeros(4)})
    with pytest.raises(ValueError, match="ids: a column of the predictions is called 'prediction', too"):
        BatchPredictor(classifier[0], ids=["prediction"])(TABLE.append_column("prediction", TABLE["id"]))
    with pytest.raises(TypeError, match=r"a batch must be a dictionary of arrays, .* but is a list"):
        BatchPredictor(classifier[0])([1, 2])
    with pytest.raises(TypeError, match="model must be a Classifier, a Regressor or a file of one, but is a Network"):
        BatchPredictor(Network(SquareLoss(Linear(Data(shape=(None, 2)), 1))))


def test_a_query_of_duckdb_predicts(classifier):
    duckdb = pytest.importorskip("duckdb")
    model, path = classifier
    names = model.feature_names_in_.tolist()
    predictor = BatchPredictor(path)
    with duckdb.connect() as connection:
        connection.register("houses", TABLE)
        connection.create_function(
            "chance",
            lambda size, town: predictor(pa.table([size, town], names=names))["probability of b"],
            ["DOUBLE", "VARCHAR"],
            "DOUBLE",
            type="arrow",
            null_handling="special",
        )
        found = connection.sql("select chance(size, town) from houses order by id").fetchnumpy()
        np.testing.assert_array_equal(next(iter(found.values())), model.predict_proba(ROWS)[:, 1])
        reader = connection.sql("select * from houses order by id").to_arrow_reader(30)
        found = pa.Table.from_batches(map(predictor, reader))
    np.testing.assert_array_equal(found["prediction"], model.predict(ROWS))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_data_predicts(classifier, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray = pytest.importorskip("ray.data")
    import ray as runtime

    model, path = classifier
    # Never a cluster that runs here already.
    runtime.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
    try:
        rows = ray.from_arrow(TABLE).map_batches(
            BatchPredictor,
            fn_constructor_args=[str(path)],
            fn_constructor_kwargs={"ids": ["id"]},
            batch_format="pyarrow",
            compute=ray.ActorPoolStrategy(size=1),
        )
        found = rows.to_pandas().sort_values("id")
    finally:
        runtime.shutdown()
    np.testing.assert_array_equal(found["prediction"], model.predict(ROWS))


@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning", "ignore::ResourceWarning")
def test_spark_predicts(classifier, monkeypatch):
    pyspark = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    model, path = classifier
    session = pyspark.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()

    def predict(batches):
        return map(BatchPredictor(str(path), ids=["id"]), batches)

    try:
        schema = "id long, prediction string, `probability of a` double, `probability of b` double"
        # Without pandas, of which each version of Spark takes others.
        table = session.createDataFrame(TABLE.to_pylist(), "id long, size double, town string, more double")
        found = sorted(table.mapInArrow(predict, schema).collect())
    finally:
        session.stop()
    np.testing.assert_array_equal([row["id"] for row in found], TABLE["id"])
    np.testing.assert_array_equal([row["prediction"] for row in found], model.predict(ROWS))
