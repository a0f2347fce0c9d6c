from gateway.config.otlp import Otlp
from gateway.config.references import Secret


def test_no_secret_is_shown():
    otlp = Otlp(endpoint="http://o:4317", protocol="grpc", headers={"x-key": Secret("hidden", "env:K")})
    assert "hidden" not in repr(otlp)
