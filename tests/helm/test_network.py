"""Who may talk to whom: nobody, but for what the policies say."""

from __future__ import annotations

import pytest

from tests.helm.chart import VALUE_SETS, Manifest, of_kind, one, pods, rendered, values_of, with_five

SETS = [path.stem for path in VALUE_SETS if path.stem != "no-notifications"]


def applies(policy: Manifest, labels: dict[str, str]) -> bool:
    return policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def egress_of(manifests: list[Manifest], component: str) -> list[Manifest]:
    """Every rule that lets this component out, those of all policies together."""
    labels = next(pod for name, pod in pods(manifests) if name == component)["metadata"]["labels"]
    policies = [p for p in of_kind(manifests, "NetworkPolicy") if applies(p, labels)]
    return [rule for policy in policies for rule in policy["spec"].get("egress", [])]


def ports(rules: list[Manifest]) -> set[object]:
    return {port["port"] for rule in rules for port in rule["ports"]}


@pytest.mark.parametrize("name", SETS)
def test_every_pod_is_shut_in_both_directions_before_anything_is_let_through(name):
    manifests = rendered(values_of(name))
    shut = one(manifests, "NetworkPolicy", "-default-deny")
    assert shut["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert shut["spec"]["ingress"] == []
    assert [
        component for component, pod in pods(manifests) if not applies(shut, pod["metadata"]["labels"])
    ] == []


def test_only_names_are_looked_up_by_everybody():
    shut = one(rendered(with_five()), "NetworkPolicy", "-default-deny")
    [dns] = shut["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    ]


def test_the_scheduler_reaches_redis_and_never_the_record():
    manifests = rendered(with_five(fhir={"baseUrl": "https://fhir.example.org:9443/r4"}))
    assert 9443 not in ports(egress_of(manifests, "scheduler"))
    assert 6379 in ports(egress_of(manifests, "scheduler"))
    assert 9443 in ports(egress_of(manifests, "worker")) & ports(egress_of(manifests, "web"))


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://fhir.example.org/r4", 443), ("http://fhir/fhir", 80), ("https://[2001:db8::1]:8443/r4", 8443)],
)
def test_the_port_of_the_fhir_server_is_taken_from_its_address(url, port):
    assert port in ports(egress_of(rendered(with_five(fhir={"baseUrl": url})), "worker"))


def test_nobody_may_ask_the_node_for_the_credentials_of_the_cloud():
    for component in ("web", "worker", "scheduler"):
        for rule in egress_of(rendered(with_five()), component):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                assert "169.254.0.0/16" in block["except"] or ":" in block["cidr"]


def test_a_hospital_names_each_partner_and_nothing_else_is_reached():
    rules = egress_of(rendered(values_of("hospital")), "worker")
    reached = {peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer}
    assert reached == {f"192.0.2.{n}/32" for n in (10, 20, 30, 40)}


def test_a_hospital_lets_only_its_ingress_in_and_only_its_prometheus_read():
    manifests = rendered(values_of("hospital"))
    web = one(manifests, "NetworkPolicy", "-web")["spec"]["ingress"][0]
    named = [p["namespaceSelector"]["matchLabels"] for p in web["from"] if "namespaceSelector" in p]
    assert [each["kubernetes.io/metadata.name"] for each in named] == ["ingress", "monitoring"]
    [scraped] = one(manifests, "NetworkPolicy", "-scheduler")["spec"]["ingress"]
    assert scraped["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]


@pytest.mark.parametrize("name", ["trial", "messages", "hospital"])
def test_whoever_is_told_where_redis_is_may_reach_it(name):
    """The Job too: what it applied stands in Redis, and some servers can read a Subscription but not list them."""
    manifests = rendered({**values_of(name), "publicUrl": "https://throughline.example.org"})
    told = {component for component, _ in pods(manifests)} - {"redis"}
    assert {"web", "worker", "scheduler", "subscriptions", "doctor"} <= told
    for component in told:
        assert {6379, 6380, "redis"} & ports(egress_of(manifests, component)), component
    if name == "trial":
        [rule] = one(manifests, "NetworkPolicy", "-redis")["spec"]["ingress"]
        [peer] = rule["from"]
        [let_in] = peer["podSelector"]["matchExpressions"]
        assert set(let_in["values"]) >= told


def test_the_bundled_redis_lets_only_our_own_in_and_goes_nowhere():
    manifests = rendered(values_of("trial"))
    [rule] = one(manifests, "NetworkPolicy", "-redis")["spec"]["ingress"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "tl"
    assert ports(egress_of(manifests, "redis")) == {53}
    assert all(
        "ipBlock" not in peer
        for rule in egress_of(manifests, "scheduler")
        for peer in rule["to"]
    )  # fmt: skip


@pytest.mark.parametrize("name", ["hospital", "openshift"])
def test_outside_an_ingress_shows_notifications_and_messages_only(name):
    [rule] = one(rendered(values_of(name)), "Ingress")["spec"]["rules"]
    assert {path["path"] for path in rule["http"]["paths"]} == {"/notifications", "/fhir"}
    assert rule["host"].startswith("throughline.")


def test_a_route_shows_the_pages_only_when_asked_and_never_metrics():
    manifests = rendered(values_of("gateway"))
    route = one(manifests, "HTTPRoute")["spec"]
    matched = {(m["path"]["type"], m["path"]["value"]) for rule in route["rules"] for m in rule["matches"]}
    assert matched == {("PathPrefix", "/notifications"), ("PathPrefix", "/fhir"), ("Exact", "/")}
    assert route["hostnames"] == ["throughline.example.org"]
    assert route["rules"][0]["backendRefs"] == [{"name": "tl-throughline", "port": 8000}]


def test_git_is_reached_by_those_who_fetch_from_it_and_only_when_they_do():
    manifests = rendered(values_of("from-git"))
    assert 8443 in ports(egress_of(manifests, "worker")) & ports(egress_of(manifests, "web"))
    assert 8443 not in ports(egress_of(manifests, "scheduler"))
    not_used = with_five(networkPolicy={"egress": {"git": {"ports": [8443]}}})
    assert 8443 not in ports(egress_of(rendered(not_used), "worker"))


def reached(manifests: list[Manifest], component: str) -> set[object]:
    """Ports at which anything outside the cluster's own names is reached."""
    return ports(egress_of(manifests, component)) - {53, 6379, 6380, 26379}


def test_the_token_server_is_reached_by_those_who_ask_it_and_only_where_the_values_say_that_it_is_elsewhere():
    manifests = rendered(values_of("smart"))
    for component in ("web", "worker", "subscriptions", "doctor"):
        assert {9443, 8443} <= reached(manifests, component)
    assert reached(manifests, "scheduler") == set()
    here = {"method": "privateKey", "clientId": "us", "tokenUrl": "https://fhir.example.org/token"}
    assert len(egress_of(rendered(with_five(fhir={"auth": here})), "worker")) == 3  # names, Redis, the record


def test_the_collector_is_reached_by_those_who_make_spans_and_by_nobody_else():
    manifests = rendered(values_of("smart"))
    for component in ("web", "worker", "doctor"):
        [rule] = [r for r in egress_of(manifests, component) if ports([r]) == {4318}]
        assert rule["to"] == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}
        ]
    assert 4318 not in reached(manifests, "subscriptions") | reached(manifests, "scheduler")
    assert 4318 not in reached(rendered(with_five()), "worker")


def test_hl7v2_comes_in_from_the_interface_engine_only_and_its_process_never_reaches_the_record():
    manifests = rendered(values_of("messages"))
    policy = one(manifests, "NetworkPolicy", "-mllp")["spec"]
    [sent] = [rule for rule in policy["ingress"] if ports([rule]) == {"mllp"}]
    engine, test = sent["from"]
    assert engine == {"ipBlock": {"cidr": "192.0.2.7/32"}}
    assert test["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "doctor"
    assert reached(manifests, "mllp") == {443}  # git, where its senders.yaml comes from
    files = {
        "mllp": {"enabled": True, "tls": {"existingSecret": "mllp"}},
        "networkPolicy": {"ingress": {"mllp": [{"podSelector": {}}]}},
    }
    assert reached(rendered(with_five(**files)), "mllp") == set()
    traced = rendered(with_five(**files, traces={"endpoint": "http://collector:4318/v1/traces"}))
    assert reached(traced, "mllp") == {4318}


def test_from_outside_the_cluster_the_address_of_a_sender_stays_its_own():
    service = one(rendered(values_of("messages")), "Service", "-mllp")["spec"]
    assert (service["type"], service["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert service["loadBalancerSourceRanges"] == ["192.0.2.7/32"]
    assert service["ports"] == [{"name": "mllp", "port": 6661, "targetPort": "mllp", "protocol": "TCP"}]


def test_nothing_takes_in_hl7v2_unless_it_is_asked_for():
    names = [m["metadata"]["name"] for m in rendered(with_five())]
    assert [name for name in names if "mllp" in name] == []


def test_a_token_server_can_fetch_our_public_keys_where_there_are_any():
    [rule] = one(rendered(values_of("smart")), "Ingress")["spec"]["rules"]
    shown = {path["path"]: path["pathType"] for path in rule["http"]["paths"]}
    assert shown["/.well-known/jwks.json"] == "Exact"
    gateway = {"enabled": True, "parentRefs": [{"name": "public"}]}
    route = one(rendered({**values_of("smart"), "gateway": gateway}), "HTTPRoute")["spec"]["rules"][0]
    assert {"type": "Exact", "value": "/.well-known/jwks.json"} in [
        match["path"] for match in route["matches"]
    ]


def test_who_wants_no_policies_has_none():
    assert of_kind(rendered(values_of("no-notifications")), "NetworkPolicy") == []
