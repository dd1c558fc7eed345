"""What the kinds that are not Kubernetes' own allow, as JSON Schemas that refuse unknown fields.

Written from the projects' reference pages: only the fields that a manifest may reasonably use. Knative 1.22, CloudNativePG 1.28
and the Prometheus operator's v1 kinds.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
WHOLE: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"type": "boolean"}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
# ISO 8601, as Knative Eventing wants it.
PERIOD: Schema = {"type": "string", "pattern": "^PT([0-9]+H)?([0-9]+M)?([0-9]+(\\.[0-9]+)?S)?$"}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def one(required: str = "", **fields: Schema) -> Schema:
    """An object of these fields and no other."""
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def some(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def choice(*values: str) -> Schema:
    return {"enum": list(values)}


def resource(spec: Schema) -> Schema:
    metadata = one("name", name=NAME, namespace=NAME, labels=LABELS, annotations=TEXTS)
    return one("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec)


REFERENCE = one("apiVersion kind name", apiVersion=TEXT, kind=TEXT, name=NAME, namespace=NAME)
DESTINATION = {**one(ref=REFERENCE, uri=TEXT, audience=TEXT), "minProperties": 1}
DELIVERY = one(
    retry=WHOLE,
    backoffPolicy=choice("linear", "exponential"),
    backoffDelay=PERIOD,
    timeout=PERIOD,
    deadLetterSink=DESTINATION,
)
RESOURCES = one(requests=TEXTS, limits=TEXTS)

BROKER = resource(one(config=REFERENCE, delivery=DELIVERY))
TRIGGER = resource(
    one(
        "broker subscriber",
        broker=NAME,
        filter=one(attributes=TEXTS),
        subscriber=DESTINATION,
        delivery=DELIVERY,
    )
)
PING_SOURCE = resource(
    one(
        "sink",
        schedule={"type": "string", "pattern": "^(\\S+ ){4}\\S+$"},
        timezone=TEXT,
        contentType=TEXT,
        data=TEXT,
        dataBase64=TEXT,
        sink=DESTINATION,
        ceOverrides=one(extensions=TEXTS),
    )
)

# The fields that Knative's webhook lets through of a pod and of a container; what is in them is checked as Kubernetes' own.
FUNCTION_POD = {
    "serviceAccountName",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "imagePullSecrets",
    "containers",
    "volumes",
}
FUNCTION_CONTAINER = {
    "name",
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "workingDir",
    "env",
    "envFrom",
    "ports",
    "resources",
    "securityContext",
    "volumeMounts",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
}
FUNCTION_SECURITY = {
    "allowPrivilegeEscalation",
    "capabilities",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
}
FUNCTION_VOLUME = {"name", "configMap", "secret", "projected", "emptyDir"}
REVISION = {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"}
ANNOTATIONS = {
    "autoscaling.knative.dev/window": DURATION,
    "autoscaling.knative.dev/scale-down-delay": DURATION,
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period": DURATION,
    "autoscaling.knative.dev/target-utilization-percentage": {"type": "string", "pattern": "^(100|[1-9][0-9]?)$"},
    "autoscaling.knative.dev/target": {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$"},
    "autoscaling.knative.dev/min-scale": {"type": "string", "pattern": "^[0-9]+$"},
    "autoscaling.knative.dev/max-scale": {"type": "string", "pattern": "^[0-9]+$"},
    "autoscaling.knative.dev/activation-scale": {"type": "string", "pattern": "^[1-9][0-9]*$"},
}
FUNCTION_TEMPLATE = one(
    "spec",
    metadata=one(name=NAME, labels=LABELS, annotations=TEXTS),
    spec={"type": "object", "required": ["containers"]},
)
FUNCTION = resource(one("template", template=FUNCTION_TEMPLATE))

CLUSTER = resource(
    one(
        "instances storage",
        instances={"type": "integer", "minimum": 1},
        imageName=TEXT,
        bootstrap=one(
            initdb=one(
                "database owner",
                database=TEXT,
                owner=TEXT,
                secret=one("name", name=NAME),
                postInitApplicationSQL=some(TEXT),
            )
        ),
        postgresql=one(
            parameters=TEXTS,
            synchronous=one(
                "method number",
                method=choice("any", "first"),
                number={"type": "integer", "minimum": 1},
                dataDurability=choice("required", "preferred"),
                failoverQuorum=YES,
                maxStandbyNamesFromCluster=WHOLE,
            ),
        ),
        affinity=one(
            enablePodAntiAffinity=YES,
            topologyKey=TEXT,
            podAntiAffinityType=choice("required", "preferred"),
        ),
        storage=one("size", size=TEXT, storageClass=TEXT),
        resources=RESOURCES,
    )
)
POOLER = resource(
    one(
        "cluster pgbouncer",
        cluster=one("name", name=NAME),
        instances={"type": "integer", "minimum": 1},
        type=choice("rw", "ro"),
        pgbouncer=one("poolMode", poolMode=choice("session", "transaction"), parameters=TEXTS),
    )
)

RELABELING = one(action=TEXT, regex=TEXT, sourceLabels=some(TEXT), targetLabel=TEXT, replacement=TEXT)
ENDPOINT = one(
    "port",
    port=TEXT,
    path=TEXT,
    interval=DURATION,
    scrapeTimeout=DURATION,
    relabelings=some(RELABELING),
    honorLabels=YES,
)
SELECTOR = one(matchLabels=LABELS)
SERVICE_MONITOR = resource(one("selector endpoints", selector=SELECTOR, endpoints=some(ENDPOINT), scrapeClass=TEXT))
POD_MONITOR = resource(one("selector podMetricsEndpoints", selector=SELECTOR, podMetricsEndpoints=some(ENDPOINT)))
ALERT = one("alert expr", alert=TEXT, expr=TEXT, labels=LABELS, annotations=TEXTS, **{"for": DURATION})
RECORD = one("record expr", record=TEXT, expr=TEXT, labels=LABELS)
RULE: Schema = {"oneOf": [ALERT, RECORD]}
PROMETHEUS_RULE = resource(
    one("groups", groups=some(one("name rules", name=TEXT, rules=some(RULE), interval=DURATION)))
)

SCHEMAS: dict[tuple[str, str], Schema] = {
    ("serving.knative.dev/v1", "Service"): FUNCTION,
    ("eventing.knative.dev/v1", "Broker"): BROKER,
    ("eventing.knative.dev/v1", "Trigger"): TRIGGER,
    ("sources.knative.dev/v1", "PingSource"): PING_SOURCE,
    ("postgresql.cnpg.io/v1", "Cluster"): CLUSTER,
    ("postgresql.cnpg.io/v1", "Pooler"): POOLER,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): SERVICE_MONITOR,
    ("monitoring.coreos.com/v1", "PodMonitor"): POD_MONITOR,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PROMETHEUS_RULE,
}
