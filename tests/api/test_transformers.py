"""Compressed model folders through the loading interfaces of transformers 5: the same model, bit for bit, and plain once it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", minversion="5.0", reason="needs transformers 5")

import laconic  # noqa: E402
import laconic.transformers as ours  # noqa: E402


def llama(tied: bool = False) -> Any:
    torch.manual_seed(1)
    config = transformers.LlamaConfig(vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                                      num_key_value_heads=2, tie_word_embeddings=tied)  # fmt: skip
    return transformers.LlamaForCausalLM(config).to(torch.bfloat16)


def mixtral() -> Any:
    torch.manual_seed(2)
    config = transformers.MixtralConfig(vocab_size=300, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                                        num_key_value_heads=2, num_local_experts=4)  # fmt: skip
    return transformers.MixtralForCausalLM(config).to(torch.bfloat16)


def gpt2() -> Any:
    torch.manual_seed(3)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=300, n_embd=64, n_layer=2, n_head=4, n_positions=64))


MODELS = {"llama": llama, "tied": lambda: llama(True), "mixtral": mixtral, "gpt2": gpt2}


def same(a: Any, b: Any) -> bool:
    states = a.state_dict(), b.state_dict()
    return states[0].keys() == states[1].keys() and all(
        x.dtype == states[1][name].dtype and torch.equal(x, states[1][name]) for name, x in states[0].items()
    )


@pytest.fixture(params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    MODELS[request.param]().save_pretrained(tmp_path / "model", max_shard_size="100KB")
    return tmp_path / "model"


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def test_a_compressed_folder(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "small"
    ours.compress_folder(folder, target)
    assert size(target) < (0.93 if "gpt2" in json.loads((folder / "config.json").read_text())["model_type"] else 0.8) * size(folder)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(target, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert same(model, plain)
    tokens = torch.arange(12)[None]
    assert torch.equal(model(tokens).logits, plain(tokens).logits)
    model.save_pretrained(tmp_path / "again")
    assert "quantization_config" not in json.loads((tmp_path / "again" / "config.json").read_text())
    assert same(transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "again"), plain)


def test_in_another_dtype(folder: Path, tmp_path: Path) -> None:
    ours.compress_folder(folder, tmp_path / "small", level="fast")
    for dtype in (torch.float32, torch.float16):
        plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        assert same(transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "small", dtype=dtype), plain)


def test_an_archive_of_a_folder(folder: Path, tmp_path: Path) -> None:
    from laconic.cli import main

    with pytest.raises(SystemExit) as done:
        main(["encode", "-q", str(folder)])
    assert not done.value.code
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model = ours.from_pretrained(folder.with_suffix(".lac"))
    assert type(model) is type(plain)
    assert same(model, plain)
    assert model.generation_config.to_dict() == plain.generation_config.to_dict()
    for shard in list(folder.glob("*.safetensors")):
        shard.with_name(f"{shard.name}.lac").write_bytes(laconic.encode(shard))
        shard.unlink()
    assert same(ours.from_pretrained(folder), plain)


def test_weights_are_decoded_one_by_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two decoded weights are alive at once, but for those that the model keeps."""
    ours.compress_folder(folder, tmp_path / "small")
    calls: list[int] = []
    decode = laconic.decode

    def counted(blob: Any) -> Any:
        calls.append(len(blob))
        return decode(blob)

    monkeypatch.setattr(laconic, "decode", counted)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "small")
    assert len(calls) == sum(".laconic_" in name for name in laconic.safetensors.safe_open(tmp_path / "small", "pt").offset_keys())
    assert max(calls) < sum(p.nbytes for p in model.parameters())


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    ours.compress_folder(folder, tmp_path / "small")
    with pytest.raises(ValueError, match="quantization_config"):
        ours.compress_folder(tmp_path / "small", tmp_path / "smaller")
    with pytest.raises(FileExistsError):
        ours.compress_folder(folder, tmp_path / "small")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no safetensors"):
        ours.compress_folder(tmp_path / "empty", tmp_path / "smaller")


def test_damage_is_an_error(tmp_path: Path) -> None:
    llama().save_pretrained(tmp_path / "model")
    ours.compress_folder(tmp_path / "model", tmp_path / "small")
    path = tmp_path / "small" / "model.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-200] ^= 16
    path.write_bytes(blob)
    with pytest.raises((laconic.CorruptDataError, RuntimeError)):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "small")
