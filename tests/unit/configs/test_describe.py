from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

import configs
from configs.describe import describe, to_yaml
from configs.settings import Config, read
from stages.train.settings import TrainConfig

SHIPPED = sorted(Path(next(iter(configs.__path__))).glob("*.yaml"))


def model_of(path: Path) -> type[BaseModel]:
    return TrainConfig if path.stem.startswith("train_") else Config


CONFIGS = [
    pytest.param(Config, id="defaults"),
    *(pytest.param(lambda path=path: read(str(path), (), model_of(path)), id=path.stem) for path in SHIPPED),
]


@pytest.mark.parametrize("make", CONFIGS)
def test_every_setting_has_a_description(make: Callable[[], BaseModel]) -> None:
    settings = list(describe(make()))
    assert settings
    without = [it.path for it in settings if not it.help.strip() and not it.path.endswith(".backend")]
    assert not without


@pytest.mark.parametrize("make", CONFIGS)
def test_what_is_printed_can_be_read_back(make: Callable[[], BaseModel], tmp_path: Path) -> None:
    config, file = make(), tmp_path / "printed.yaml"
    file.write_text(to_yaml(config))
    assert read(str(file), (), type(config)) == config
