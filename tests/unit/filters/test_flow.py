from pathlib import Path

import numpy as np

from filters.flow.raft import RaftConfig, RaftFlow


def test_raft_with_random_weights_runs_behind_the_same_interface(tmp_path: Path) -> None:
    import torch
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    torch.save(raft_small().state_dict(), tmp_path / "raft.pth")
    flow = RaftConfig(weights=str(tmp_path / "raft.pth"), device="cpu").build()
    assert isinstance(flow, RaftFlow)
    image = np.random.default_rng(0).integers(0, 255, (100, 161), dtype=np.uint8)
    assert flow(image, image).shape == (100, 161, 2)
