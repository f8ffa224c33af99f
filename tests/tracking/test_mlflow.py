import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("mlflow", reason="runs of MLflow need pysmorch[mlflow]")

import mlflow
import pandas as pd

from pysmorch import Classifier, CrossEntropy, Data, Network, Regressor, mlp
from pysmorch.tracking import mlflow as tracking

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": RNG.standard_normal(80), "b": np.where(RNG.random(80) < 0.5, "x", "y")})
Y = np.where((TABLE["a"] > 0) & (TABLE["b"] == "x"), "yes", "no")


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    yield
    tracking.autolog(disable=True)
    while mlflow.active_run():
        mlflow.end_run()


def test_a_model_is_saved_loaded_and_predicts_the_same_also_in_another_process(tmp_path):
    model = Classifier(epochs=3, preset="fast", random_state=0).fit(TABLE, Y)
    tracking.save_model(model, tmp_path / "model")
    expected = model.predict(TABLE)
    assert (mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(TABLE) == expected).all()
    assert (tracking.load_model(str(tmp_path / "model")).predict(TABLE) == expected).all()
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    code = (
        "import sys, mlflow, pandas as pd; model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "print(*model.predict(pd.read_csv(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "model"), str(tmp_path / "table.csv")],
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == expected.tolist(), done.stderr


def test_autolog_logs_parameters_metrics_of_each_epoch_and_the_model():
    tracking.autolog()
    tracking.autolog()
    model = Classifier(epochs=4, preset="fast", early_stopping=False, random_state=0).fit(TABLE, Y)
    run = mlflow.last_active_run()
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "4"
    steps = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [step.value for step in steps] == pytest.approx(model.history_["loss"])
    logged = mlflow.search_logged_models(output_format="list")[0]
    assert (mlflow.pyfunc.load_model(logged.model_uri).predict(TABLE) == model.predict(TABLE)).all()


def test_a_fit_that_raises_is_a_failed_run_and_autolog_ends():
    tracking.autolog()
    with pytest.raises(ValueError, match="rows"):
        Regressor(preset="fast").fit(TABLE, np.zeros(3))
    assert mlflow.last_active_run().info.status == "FAILED"
    tracking.autolog(disable=True)
    assert not hasattr(Classifier.fit, "logs")


def test_networks_of_an_ensemble_and_networks_by_hand_are_logged():
    tracking.autolog()
    Classifier(members=2, preset="balanced", epochs=2, early_stopping=False, random_state=0).fit(TABLE, Y)
    assert {"loss", "network_2/loss"} <= set(mlflow.last_active_run().data.metrics)
    network = Network(CrossEntropy(mlp(Data(shape=(None, 1)), [4], 2, seed=0)))
    network.fit(TABLE[["a"]].to_numpy(), (TABLE["a"] > 0).to_numpy(int), epochs=2, seed=0)
    assert mlflow.last_active_run().data.params["epochs"] == "2"
