"""The manifests: Kubernetes takes them, and the gateway takes what is in them."""

from __future__ import annotations

import base64
import importlib.util
import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from deploy.image.rootfs import HOME, USER_ID
from gateway import __version__
from gateway.app.policies import load_guards
from gateway.config.environment import Options
from gateway.config.load import load_settings
from loadtests.ports import free_port
from tests.architecture.sources import ROOT
from tests.docs.test_docs import parsed
from tests.support.certificates import certify
from tests.support.gateway_run import Gateway, running, until

KUBERNETES = ROOT / "deploy" / "kubernetes"
HAS_SCHEMAS = importlib.util.find_spec("kubernetes_validate") is not None
needs_schemas = pytest.mark.skipif(not HAS_SCHEMAS, reason="kubernetes_validate is not there: make deploy-tools")
VERSION = "1.37"
HEALTH = "/opt/weighbridge/share/weighbridge/healthcheck.py"


def manifests(name: str) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(name: str, kind: str) -> dict[str, Any]:
    (found,) = (each for each in manifests(name) if each["kind"] == kind)
    return found


def assert_valid(manifest: dict[str, Any]) -> None:
    pytest.importorskip("kubernetes_validate").validate(manifest, VERSION, strict=True)


@needs_schemas
@pytest.mark.parametrize("file", sorted(KUBERNETES.glob("*.yaml")), ids=lambda file: file.stem)
def test_kubernetes_takes_a_manifest(file: Path) -> None:
    for manifest in manifests(file.name):
        assert_valid(manifest)


@needs_schemas
def test_a_manifest_with_a_field_that_is_not_one_is_not_taken() -> None:
    wrong = of_kind("sidecar.yaml", "Deployment")
    wrong["spec"]["template"]["spec"]["initContainers"][0]["restartPolicies"] = "Always"
    with pytest.raises(Exception, match="restartPolicies"):
        assert_valid(wrong)


# --- the sidecar


SIDECAR: dict[str, Any] = of_kind("sidecar.yaml", "Deployment")["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = SIDECAR["initContainers"][0]


def assert_hardened(container: dict[str, Any]) -> None:
    """What Kubernetes' profile `restricted` asks for, and a root that cannot be written to."""
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container["resources"]["limits"]


def test_the_sidecar_is_ready_before_the_program_and_ends_after_it() -> None:
    # That is what a native sidecar is; a container beside the program would be told to end together with it.
    assert CONTAINER["restartPolicy"] == "Always"
    assert CONTAINER["startupProbe"]["exec"]["command"][-2:] == [HEALTH, "/readyz"]
    assert CONTAINER["livenessProbe"]["exec"]["command"][-1] == HEALTH
    settings = yaml.safe_load(of_kind("sidecar.yaml", "ConfigMap")["data"]["weighbridge.yaml"])
    assert int(settings["drain_timeout"].removesuffix("s")) < SIDECAR["terminationGracePeriodSeconds"]


def test_the_sidecar_runs_as_the_image_does_and_is_open_to_its_pod_only() -> None:
    assert_hardened(CONTAINER)
    assert CONTAINER["securityContext"]["runAsUser"] == USER_ID == SIDECAR["securityContext"]["fsGroup"]
    assert CONTAINER["image"] == f"weighbridge:{__version__}-sidecar"
    (listen,) = (each["value"] for each in CONTAINER["env"] if each["name"] == "WEIGHBRIDGE_LISTEN")
    assert listen == "127.0.0.1:8080"
    (program,) = SIDECAR["containers"]
    assert {"name": "OPENAI_BASE_URL", "value": f"http://{listen}/v1"} in program["env"]
    mounts = {each["mountPath"]: each for each in CONTAINER["volumeMounts"]}
    assert not mounts[f"/{HOME}"].get("readOnly")
    assert all(each["readOnly"] for path, each in mounts.items() if path != f"/{HOME}")


def test_the_sidecar_is_started_with_words_and_settings_that_the_gateway_takes(tmp_path: Path) -> None:
    told = vars(parsed(" ".join(["weighbridge", *CONTAINER["args"]])))
    assert told["no_operator"]
    key = tmp_path / "openai"
    key.write_text("a key")
    text = of_kind("sidecar.yaml", "ConfigMap")["data"]["weighbridge.yaml"]
    assert "file:/run/secrets/weighbridge/openai" in text
    file = tmp_path / "weighbridge.yaml"
    file.write_text(text.replace("/run/secrets/weighbridge/openai", str(key)))
    result = load_settings(
        Options(config=str(file), no_operator=True), {"WEIGHBRIDGE_LISTEN": "127.0.0.1:8080"}, tmp_path
    )
    assert [str(problem) for problem in result.problems] == []
    load_guards(result.policies)
    assert result.settings is not None
    limit = SIDECAR["volumes"][-1]["emptyDir"]["sizeLimit"]
    assert result.settings.spool.max_bytes < int(limit.removesuffix("Mi")) << 20


# --- the webhook


PROGRAM = of_kind("webhook.yaml", "ConfigMap")["data"]
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "agent", "labels": {"weighbridge": "sidecar"}},
    "spec": {
        "initContainers": [{"name": "first", "image": "first:1"}],
        "containers": [
            {"name": "agent", "image": "agent:1"},
            {"name": "other", "image": "other:1", "env": [{"name": "OPENAI_API_KEY", "value": "its own"}]},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("webhook")
    for name, text in PROGRAM.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def inject(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("inject", folder / "inject.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def applied(pod: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a patch of additions."""
    changed = json.loads(json.dumps(pod))
    for step in steps:
        assert step["op"] == "add"
        *parents, last = step["path"].split("/")[1:]
        at = changed
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at[name]
        at[last] = step["value"]
    return changed


def test_a_pod_gets_the_sidecar_of_the_manifest(inject: ModuleType) -> None:
    pod = applied(POD, inject.patch(POD))
    first, second = pod["spec"]["initContainers"]
    assert first == CONTAINER
    assert second["name"] == "first"
    assert pod["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}, *SIDECAR["volumes"]]
    assert pod["spec"]["securityContext"] == {"fsGroup": 10001}
    agent, other = pod["spec"]["containers"]
    assert agent["env"] == SIDECAR["containers"][0]["env"]
    # What a container says itself stays.
    assert [each["value"] for each in other["env"]] == ["its own", "http://127.0.0.1:8080/v1"]
    if HAS_SCHEMAS:
        assert_valid(pod)


def test_a_pod_that_has_it_is_left_alone_but_for_what_came_later(inject: ModuleType) -> None:
    pod = applied(POD, inject.patch(POD))
    assert inject.patch(pod) == []
    pod["spec"]["containers"].append({"name": "late", "image": "late:1"})
    (step,) = inject.patch(pod)
    assert step["path"] == "/spec/containers/2/env"


def test_a_bare_pod_gets_what_it_lacks(inject: ModuleType) -> None:
    bare = {**POD, "spec": {"containers": [{"name": "agent", "image": "agent:1"}], "securityContext": {"fsGroup": 1}}}
    pod = applied(bare, inject.patch(bare))
    assert pod["spec"]["securityContext"] == {"fsGroup": 1}
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["weighbridge"]


def test_the_webhook_speaks_as_the_cluster_asks(folder: Path) -> None:
    words = of_kind("webhook.yaml", "Deployment")["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[2:] == ["/etc/webhook/inject.py", "8443", "/run/tls/tls.crt", "/run/tls/tls.key"]
    certificate, key = certify(folder)
    port = free_port()
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u-1", "object": POD}}
    context = ssl.create_default_context(cafile=str(certificate))
    line = [sys.executable, "-I", str(folder / "inject.py"), str(port), str(certificate), str(key)]

    def asked() -> dict[str, Any] | None:
        request = urllib.request.Request(f"https://localhost:{port}/", json.dumps(review).encode())
        with suppress(OSError), urllib.request.urlopen(request, context=context) as answered:
            return json.load(answered)
        return None

    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        try:
            answer = until(asked)["response"]
        finally:
            process.terminate()
    assert (answer["uid"], answer["allowed"], answer["patchType"]) == ("u-1", True, "JSONPatch")
    steps = json.loads(base64.b64decode(answer["patch"]))
    assert applied(POD, steps)["spec"]["initContainers"][0] == CONTAINER


# --- configuration that is mounted


SETTINGS = """version: 1
policies: {{dir: {policies}, bundle: [words.yaml], reload: 100ms}}
models: [{{alias: {alias}, candidates: [{{provider: sim, model: echo}}]}}]
"""
POLICY = """apiVersion: weighbridge/v1
kind: Policy
metadata: {{name: words}}
detectors: {{words: {{use: pattern, patterns: ["{word}"]}}}}
rules: [{{id: no-words, match: {{direction: request}}, when: words, do: block, mode: enforce}}]
"""


def mount(volume: Path, generation: int, files: dict[str, str]) -> None:
    """Put files where they are read as the kubelet does: in a new folder, to which one link is turned over at once."""
    folder = volume / f"..2026_11_26_{generation}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    (volume / "..data_tmp").symlink_to(folder.name)
    (volume / "..data_tmp").rename(volume / "..data")
    for old in volume.glob("..2026_*"):
        if old != folder:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Gateway, Path, Path]]:
    config, policies = tmp_path / "config", tmp_path / "policies"
    mount(policies, 1, {"words.yaml": POLICY.format(word="osprey")})
    mount(config, 1, {"weighbridge.yaml": SETTINGS.format(policies=policies, alias="one")})
    with running(tmp_path, "--config", str(config / "weighbridge.yaml")) as gateway:
        yield gateway, config, policies


@pytest.mark.integration
def test_config_maps_that_are_renewed_are_taken_over_without_a_restart(mounted: tuple[Gateway, Path, Path]) -> None:
    gateway, config, policies = mounted
    pid = gateway.worker_pid()
    assert gateway.chat("one").status == 200
    assert gateway.chat("one", "project osprey").status == 400
    mount(policies, 2, {"words.yaml": POLICY.format(word="heron")})
    until(lambda: gateway.chat("one", "project heron").status == 400)
    assert gateway.chat("one", "project osprey").status == 200
    mount(config, 2, {"weighbridge.yaml": SETTINGS.format(policies=policies, alias="two")})
    until(lambda: gateway.chat("two").status == 200)
    assert gateway.chat("one").status == 404
    # The next one is seen as well: what is watched is the name that is mounted, not the folder of a generation.
    mount(config, 3, {"weighbridge.yaml": SETTINGS.format(policies=policies, alias="three")})
    until(lambda: gateway.chat("three").status == 200)
    assert gateway.worker_pid() == pid
