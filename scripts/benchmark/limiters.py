"""The limiters that are compared: each limits every user, so high that nobody is ever held back."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import peers
from peers import HTTP, KEY, TYPE, Json, Peer
from weirlib import documents
from weirlib.output import Failure, attempt
from weirlib.places import SAMPLE, binary

# Requests per second and user: more than a machine can send.
PLENTY = 1_000_000
# Envoy's local limits keep so many values of a descriptor, and forget the one used longest ago.
LOCAL_KEYS = 2_048
DOMAIN, ENTRY = "bench", "user"
X_HEADERS, X_PROOF = "DRAFT_VERSION_03", "x-ratelimit-remaining"
ACTIONS = [{"actions": [{"request_headers": {"header_name": KEY, "descriptor_key": ENTRY}}]}]
Limits = list[Json]


def limit(name: str = "client", requests: int = PLENTY, window: str = "1s") -> Json:
    """One limit for each user, as a document says it."""
    rate = {"requests": requests, "window": window, "burst": requests}
    return {"name": name, "key": [{"header": KEY}], "quota": {"rate": rate}}


def compiled(limits: Limits, **spec: object) -> str:
    """What the filter reads for a policy with these limits. There is no control plane to ask for events."""
    policy = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"name": "bench"},
        "spec": {"limits": limits, **spec},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(policy))
        file.flush()
        command = [str(binary("weir")), "compile", "--filter", "rate-limit", "-f", file.name, *documents.files(SAMPLE)]
        text = attempt(command)
    if not text:
        raise Failure("the policy does not compile", f"see what this says, with a policy: {' '.join(command)}")
    configuration = json.loads(text)
    configuration.pop("control", None)
    return json.dumps(configuration)


def rate_limit(name: str, title: str, ports: list[int], module: Path, configuration: str) -> Peer:
    """Weir's filter."""
    chain = (peers.wasm("rate-limit", module, configuration),)
    return Peer(name, title, chain, {"cluster": "backend"}, (peers.cluster("backend", ports),))


def weirs(module: Path, ports: list[int]) -> Iterator[Peer]:
    """Weir's filter in several configurations."""
    one, told = [limit()], {"standard": "always"}
    three = [limit(name) for name in ("client", "burst", "day")]
    variants = (
        ("rate-limit", "rate-limit, 1 limit", compiled(one, headers=told), "ratelimit"),
        ("untold", "rate-limit, 1 limit, no headers", compiled(one, headers={"standard": "never"}), ""),
        ("three", "rate-limit, 3 limits", compiled(three, headers=told), "ratelimit"),
        ("off", "rate-limit, mode: off", compiled(one, mode="off"), ""),
    )
    for name, title, configuration, proof in variants:
        yield replace(rate_limit(name, title, ports, module, configuration), proof=proof)


def local(ports: list[int]) -> Peer:
    """Envoy's own limits within a process, a bucket for each user."""
    bucket = {"max_tokens": PLENTY, "tokens_per_fill": PLENTY, "fill_interval": "1s"}
    all_requests = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    config = {
        "@type": f"{HTTP}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "bench",
        "token_bucket": bucket,
        "always_consume_default_token_bucket": False,
        "filter_enabled": all_requests,
        "filter_enforced": all_requests,
        # An entry without a value stands for every value.
        "descriptors": [{"entries": [{"key": ENTRY}], "token_bucket": bucket}],
        "rate_limits": ACTIONS,
        "max_dynamic_descriptors": LOCAL_KEYS,
        "enable_x_ratelimit_headers": X_HEADERS,
    }
    chain = ({"name": "local_ratelimit", "typed_config": config},)
    clusters = (peers.cluster("backend", ports),)
    return Peer("local", "native local_ratelimit", chain, {"cluster": "backend"}, clusters, X_PROOF)


def remote(ports: list[int], service: int) -> Peer:
    """Envoy's limits that a service keeps, asked by gRPC for each request. Where it doesn't answer, nor does Envoy."""
    config = {
        "@type": f"{HTTP}.ratelimit.v3.RateLimit",
        "domain": DOMAIN,
        "timeout": "1s",
        "failure_mode_deny": True,
        "enable_x_ratelimit_headers": X_HEADERS,
        "rate_limit_service": {
            "grpc_service": {"envoy_grpc": {"cluster_name": "limits"}},
            "transport_api_version": "V3",
        },
    }
    options = {
        "@type": f"{TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    named = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    limits = {**peers.cluster("limits", [service]), "typed_extension_protocol_options": named}
    chain = ({"name": "ratelimit", "typed_config": config},)
    action = {"cluster": "backend", "rate_limits": ACTIONS}
    title = "native ratelimit, remote service"
    return Peer("remote", title, chain, action, (peers.cluster("backend", ports), limits), X_PROOF)
