import json

from remsimd.config.load import parse
from remsimd.config.show import to_json


def test_everything_is_shown_and_secrets_are_not() -> None:
    config = parse(
        """
        config modem 'm'
            option match usb:1-1.2
            option reset_line gpiochip0:21
        config rspro
            list bankd_allow 192.0.2.0/24
        config ionmesh
            option api_key sesame
        config alert 'a'
            option metric m
            option above 1
            option webhook https://hooks.example.com/services/T0/secret
        """,
        "test",
    )
    shown = to_json(config)
    text = json.dumps(shown)
    assert "sesame" not in text
    assert "secret" not in text
    assert shown["ionmesh"]["api_key"] == "***"
    assert shown["ionmesh"]["mapping_mode"] == "ONE_TO_ONE_SWSIM"
    assert shown["alerts"][0]["webhook"] == "https://hooks.example.com/***"
    assert shown["modems"][0]["match"] == ["usb:1-1.2"]
    assert shown["modems"][0]["reset_line"] == "gpiochip0:21"
    assert shown["rspro"]["bankd_allow"] == ["192.0.2.0/24"]
    assert shown["failover"]["targets"] == ["icmp:1.1.1.1", "icmp:9.9.9.9"]
    assert shown["failover"]["timeout_s"] == 1.5
    assert to_json(parse("", "test"))["ionmesh"]["api_key"] is None
