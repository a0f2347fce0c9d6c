"""The chart: Helm renders it, Kubernetes takes what comes out, and the gateway takes what is in that."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from gateway.app.policies import load_guards
from gateway.config.environment import Options
from gateway.config.load import LoadResult, load_settings
from tests.architecture.sources import ROOT
from tests.deploy.test_kubernetes import HAS_SCHEMAS, assert_hardened, assert_valid
from tests.docs.test_docs import METRICS, parsed
from tests.support.certificates import certify

CHART = ROOT / "deploy" / "helm" / "weighbridge"
HAS_HELM = importlib.util.find_spec("helm_python") is not None
needs_helm = pytest.mark.skipif(not HAS_HELM, reason="helm_python is not there: make deploy-tools")
PRODUCTION: dict[str, Any] = yaml.safe_load((CHART / "examples" / "production.yaml").read_text())
VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "production": PRODUCTION,
    "full": {
        "image": {"variant": "full", "digest": "sha256:" + "0" * 64},
        "operator": {"enabled": True, "token": {"secret": "operator"}},
        "replicas": 1,
        "restartOnChange": True,
        "config": {"listen": {"tls": {"cert": "/run/tls/tls.crt", "key": "/run/tls/tls.key"}}},
        "extra": {
            "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
            "mounts": [{"name": "tls", "mountPath": "/run/tls", "readOnly": True}],
        },
        "networkPolicy": {"enabled": False},
        "disruption": {"maxUnavailable": "50%"},
    },
    "elsewhere": {
        "policiesFrom": "policies-of-security",
        "config": {"policies": {"bundle": ["baseline.yaml"]}},
        "serviceAccount": {"create": False},
        "imagePullSecrets": [{"name": "registry"}],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
        "seccompProfile": {"type": "Localhost", "localhostProfile": "weighbridge.json"},
    },
}
# Of other people's kinds there is no schema here.
FOREIGN = {"PodMonitor"}


def helm() -> Any:
    return pytest.importorskip("helm_python")


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    with helm().Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="gateway", namespace="ai")
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


@cache
def of(case: str) -> tuple[dict[str, Any], ...]:
    return tuple(rendered(VALUES[case]))


def kind(case: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in of(case) if each["kind"] == name)
    return found


def pod(case: str) -> dict[str, Any]:
    return kind(case, "Deployment")["spec"]["template"]["spec"]


def loaded(case: str, folder: Path) -> LoadResult:
    """What the gateway makes of the configuration and the policies, mounted and with secrets as the pod has them."""
    maps = {each["metadata"]["name"]: each["data"] for each in of(case) if each["kind"] == "ConfigMap"}
    (container,) = pod(case)["containers"]
    volumes = {each["name"]: each for each in pod(case)["volumes"]}
    environ = {each["name"]: "s" * 32 for each in container.get("env", ())}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        there = folder / mount["mountPath"].lstrip("/")
        there.mkdir(parents=True, exist_ok=True)
        for name, content in maps.get(volume.get("configMap", {}).get("name"), {}).items():
            (there / name).write_text(content)
        if "secret" in volume:
            (there / "api-key").write_text("secret")
            for path, name in zip(certify(there), ("tls.crt", "tls.key"), strict=True):
                path.rename(there / name)
    text = (folder / "etc/weighbridge/weighbridge.yaml").read_text()
    for place in ("/etc/", "/run/", "/var/"):
        text = text.replace(place, f"{folder}{place}")
    file = folder / "weighbridge.yaml"
    file.write_text(text)
    no_operator = "--no-operator" in container["args"]
    return load_settings(Options(config=str(file), no_operator=no_operator), environ, folder)


# --- without Helm


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_what_is_scaled_by_is_a_metric_that_there_is() -> None:
    assert "name: weighbridge_in_flight_exchanges" in (CHART / "templates" / "autoscaling.yaml").read_text()
    assert "weighbridge_in_flight_exchanges" in METRICS


# --- with Helm


@needs_helm
def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    told = helm().lint(str(CHART))
    assert told["errors"] == []
    assert [each for each in told["messages"] if "icon" not in each["error"]] == []


@needs_helm
@pytest.mark.skipif(not HAS_SCHEMAS, reason="kubernetes_validate is not there: make deploy-tools")
@pytest.mark.parametrize("case", VALUES)
def test_kubernetes_takes_what_is_rendered(case: str) -> None:
    for manifest in of(case):
        if manifest["kind"] not in FOREIGN:
            assert_valid(manifest)


@needs_helm
@pytest.mark.parametrize("case", VALUES)
def test_the_gateway_takes_its_words_and_its_settings(case: str, tmp_path: Path) -> None:
    (container,) = pod(case)["containers"]
    told = parsed(" ".join(["weighbridge", *container["args"]]))
    assert told.config == "/etc/weighbridge/weighbridge.yaml"
    result = loaded(case, tmp_path)
    assert [str(problem) for problem in result.problems] == []
    load_guards(result.policies)
    settings = result.settings
    assert settings is not None
    assert (settings.operator is None) == told.no_operator
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports["http"] == settings.listen.address.port
    assert ports.get("operator") == (settings.operator and settings.operator.address.port)
    # What ends a pod gives calls the time that the gateway gives them, and the operator some for what is left.
    ending_s = settings.drain_delay_s + settings.drain_timeout_s
    assert pod(case)["terminationGracePeriodSeconds"] >= ending_s + 20
    (home,) = (each for each in pod(case)["volumes"] if each["name"] == "home")
    assert settings.spool.max_bytes < int(home["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30


@needs_helm
@pytest.mark.parametrize("case", VALUES)
def test_a_pod_is_hardened_and_holds_no_secret(case: str) -> None:
    spec = pod(case)
    (container,) = spec["containers"]
    assert_hardened(container)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert all("value" not in each for each in container.get("env", ()))
    assert [each for each in of(case) if each["kind"] == "Secret"] == []
    # A folder that is mounted by subPath is never renewed.
    assert all("subPath" not in each for each in container["volumeMounts"])


@needs_helm
def test_probes_follow_the_listener() -> None:
    for case, scheme in (("defaults", "HTTP"), ("full", "HTTPS")):
        (container,) = pod(case)["containers"]
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
        assert {each["scheme"] for each in probes} == {scheme}
        assert [each["path"] for each in probes] == ["/readyz", "/readyz", "/healthz"]


@needs_helm
def test_pods_are_scaled_by_calls_in_flight() -> None:
    spec = kind("production", "HorizontalPodAutoscaler")["spec"]
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"]["name"] in METRICS
    deployment = kind("production", "Deployment")
    assert spec["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # A number here would be put back at each upgrade.
    assert "replicas" not in deployment["spec"]
    assert kind("defaults", "Deployment")["spec"]["replicas"] == 2


@needs_helm
@pytest.mark.parametrize("case", VALUES)
def test_whatever_selects_pods_selects_these(case: str) -> None:
    labels = kind(case, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [kind(case, "Service")["spec"]["selector"], kind(case, "Deployment")["spec"]["selector"]["matchLabels"]]
    for each in of(case):
        if each["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            selectors.append(each["spec"]["selector"]["matchLabels"])
        elif each["kind"] == "NetworkPolicy":
            selectors.append(each["spec"]["podSelector"]["matchLabels"])
    assert len(selectors) >= 3
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()


@needs_helm
def test_nobody_but_those_named_reaches_the_gateway() -> None:
    spec = kind("defaults", "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert [(each["ports"][0]["port"], each["from"]) for each in spec["ingress"]] == [("http", [{"podSelector": {}}])]
    production = kind("production", "NetworkPolicy")["spec"]
    assert [each["ports"][0]["port"] for each in production["ingress"]] == ["http", "operator"]
    # What clouds tell their machines, and the cluster, are not public addresses.
    for each in (spec, production):
        blocks = each["egress"][1]["to"]
        assert "169.254.0.0/16" in blocks[0]["ipBlock"]["except"]
        assert "10.0.0.0/8" in blocks[0]["ipBlock"]["except"]
    assert len(production["egress"]) == len(spec["egress"]) + 2


@needs_helm
def test_a_change_restarts_pods_only_where_that_is_asked_for() -> None:
    def stamp(values: dict[str, Any]) -> str | None:
        (found,) = (each for each in rendered(values) if each["kind"] == "Deployment")
        return found["spec"]["template"]["metadata"]["annotations"].get("weighbridge/configuration")

    assert stamp({}) is None
    one = stamp({"restartOnChange": True})
    assert one is not None
    assert one == stamp({"restartOnChange": True})
    assert one != stamp({"restartOnChange": True, "config": {"telemetry": {"sample": "10%"}}})
    assert one != stamp({"restartOnChange": True, "policies": {"a.yaml": "apiVersion: weighbridge/v1"}})


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"operator": {"enabled": True}}, "operator.token.secret"),
        ({"operator": {"enabled": True, "token": {"secret": "s"}}}, "clickhouse://"),
        ({"autoscaling": {"enabled": True}}, "operator.enabled"),
        ({"podMonitor": {"enabled": True}}, "operator.enabled"),
        ({"config": {"limits": [{"scope": "team"}]}}, "redis://"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_installed(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm().HelmError, match=said):
        rendered(values)


@needs_helm
@pytest.mark.parametrize(
    "values", [{"replica": 3}, {"image": {"variant": "big"}}, {"policies": {"a/b.yaml": "x"}}, {"workers": 0}]
)
def test_values_that_are_none_are_refused(values: dict[str, Any]) -> None:
    with helm().Chart.load(str(CHART)) as chart, pytest.raises(helm().HelmError):
        chart.validate_schema(values)
    with pytest.raises(helm().HelmError):
        rendered(values)
