"""deploy.sh and cells: each in a namespace of its own, two never alike, and one front door for all."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.conftest import KNATIVE, ROOT, Manifest, own_overlay
from tests.knative.machine import IMAGE, TO_A_CLUSTER, Deployed, Machine, machine_in, succeeded
from tests.knative.test_manifests_are_valid import meets_restricted, validate

State = dict[str, Any]
DOOR = "payments-cells:Deployment/cells-front-door"
# What is called payments and is no namespace: paths, permissions, labels, the database, Envoy's own names, and plain English.
NO_NAMESPACE = re.compile(
    r"""payments/[a-z-]+(:|$|\n) | payments:(read|write|settle) | notify-of-payments | (/|\()payments(/|\()
    | (DB_NAME|database):\ payments | name:\ POSTGRES_DB\n\ +value:\ payments | ^\ +payments\ =\ host=\S+.*dbname=payments$
    | (cluster|route_config_name):\ payments | ^\ {4,}(-\ )?name:\ payments$
    | ([Ss]tuck|the|answer;|cells:)\s+payments | "payments" | payments\|payments-\.\+ | regex:\ payments-\(\.\+\)$ """,
    re.X | re.M,
)


def in_the_shell(folder: Path, program: str) -> None:
    """Says this to the functions of deploy.sh, with `folder` as their working folder."""
    sourced = "; ".join(f"source {path}" for path in sorted(KNATIVE.glob("deploy/*.sh")))
    command = ["bash", "-c", f"set -euo pipefail; here={KNATIVE} work={folder}; {sourced}; {program}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, built_text: Callable[[str], str]) -> Deployed:
    """The cells mumbai=1 and delhi=2."""
    with machine_in(tmp_path_factory.mktemp("two"), built_text) as machine:
        said = succeeded(machine.deploy(*TO_A_CLUSTER, "--cell", "mumbai=1"))
        said += succeeded(machine.deploy(*TO_A_CLUSTER, "--cell", "delhi=2"))
        return Deployed(said, machine.calls, machine.state)


@pytest.fixture
def with_two(machine: Machine, two: Deployed) -> Machine:
    machine.set(**two.state)
    return machine


def of(state: State, cell: str) -> dict[str, Any]:
    return {key.partition(":")[2]: m for key, m in state["objects"].items() if key.startswith(f"payments-{cell}:")}


def settings(state: State, cell: str) -> dict[str, str]:
    (found,) = [m["data"] for key, m in of(state, cell).items() if key.startswith("ConfigMap/payment-settings-")]
    data: dict[str, str] = found
    return data


def list_of_the_door(state: State) -> str:
    (found,) = [
        m["data"] for key, m in of(state, "cells").items() if re.match(r"ConfigMap/cells-(?!front-door)\w+$", key)
    ]
    text: str = found["CELLS"]
    return text


def address(cell: str, number: int, namespace: str = "") -> str:
    return f"{cell}={number}@payment-service.{namespace or f'payments-{cell}'}.svc.cluster.local:8082"


# Together, all that a cell may be made of.
@pytest.mark.parametrize("form", ["overlays/production+access", "overlays/minikube+eventing-oidc", "base+pgbouncer"])
def test_nothing_of_a_cell_names_another_namespace_than_its_own(
    built_text: Callable[[str], str], tmp_path: Path, form: str
) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(built_text(form))
    in_the_shell(tmp_path, "namespace=payments-delhi; move_to_the_namespace_of_the_cell")
    without_comments = re.sub(r"^ *(#|--).*$", "", rendered.read_text(), flags=re.M)
    assert set(re.findall(r"^ +namespace: (.*)$", without_comments, re.M)) == {"payments-delhi"}
    left = re.sub(r"\bpayments-delhi\b", "", without_comments)
    assert not re.findall(r".*\bpayments\b.*", NO_NAMESPACE.sub("", left))
    # And nothing but that is another: put back, it is what kustomize made, but for the fixed port of a node.
    again = rendered.read_text().replace("payments-delhi", "payments")
    assert again == built_text(form).replace("    nodePort: 30082\n", "")


def test_a_cell_is_the_overlay_with_its_own_settings_and_its_namespace_says_which(two: Deployed) -> None:
    mumbai, delhi = (of(two.state, cell) for cell in ("mumbai", "delhi"))
    assert mumbai.keys() ^ delhi.keys() <= {
        key for each in (mumbai, delhi) for key in each if key.startswith("ConfigMap/payment-settings-")
    }
    told = settings(two.state, "delhi")
    assert (told["CELL"], told["CELL_NAME"], told["CELLS"]) == ("2", "delhi", "mumbai=1,delhi=2")
    assert told["K_SINK"].endswith(".svc.cluster.local/payments-delhi/payment-events")
    assert "system:serviceaccount:payments-delhi:trip-service" in json.loads(told["AUTH_SUBJECTS"])
    labels = two.state["objects"]["Namespace/payments-delhi"]["metadata"]["labels"]
    assert (labels["payments/cell"], labels["payments/cell-name"]) == ("2", "delhi")
    assert "nodePort" not in delhi["Service/payment-service"]["spec"]["ports"][0], "two can't have the one port"
    # Settings of another content have another name, by which the functions start anew.
    (name,) = [key.partition("/")[2] for key in delhi if key.startswith("ConfigMap/payment-settings-")]
    assert name in json.dumps(delhi["Service.serving.knative.dev/console"])
    assert not [key for key in two.state["objects"] if ":" not in key and not key.startswith("Namespace/")]
    assert "Beware" not in two.said


def test_each_cell_has_passwords_of_its_own(two: Deployed) -> None:
    one, other = (of(two.state, cell)["Secret/payment-database"]["data"] for cell in ("mumbai", "delhi"))
    assert one["username"] == other["username"]
    assert one["password"] != other["password"]
    assert one["app-password"] != other["app-password"]


def test_without_a_cell_the_manifests_are_what_kustomize_makes_and_nothing_is_said_of_cells(
    deployed: Deployed, built: Callable[[str], list[Manifest]]
) -> None:
    # deploy.sh names the image, the role and the like in the others, and makes the passwords.
    made = [m for m in built("overlays/minikube") if not re.search("dev.local|unset", str(m)) and m["kind"] != "Secret"]
    assert len(made) > 20
    assert all(m in deployed.state["objects"].values() for m in made)
    assert "cell" not in deployed.said.lower()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("goa=1", "the namespace payments-mumbai is the cell mumbai=1"),
        ("mumbai=3", "the namespace payments-mumbai is the cell mumbai=1"),
        ("goa", "has no cell goa: --cell goa=NUMBER"),
        ("goa=8192", "from 0 to 8191"),
        ("Goa=3", "NAME=NUMBER"),
        ("goa=", "NAME=NUMBER"),
        ("", "--cell wants a value"),
        ("cells=3", "no cell is called cells"),
    ],
)
def test_a_name_or_number_that_cannot_be_is_refused_before_anything_is_built(
    with_two: Machine, asked: str, why: str
) -> None:
    done = with_two.deploy("--context", "there", "--load-command", "true", "--cell", asked)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert why in line
    assert not with_two.state["built"]
    assert not with_two.said("apply")


def test_the_front_door_of_cells_has_the_list_and_is_rolled_with_it(two: Deployed) -> None:
    assert list_of_the_door(two.state) == f"{address('mumbai', 1)},{address('delhi', 2)}"
    (name,) = [key for key in of(two.state, "cells") if re.match(r"ConfigMap/cells-(?!front-door)\w+$", key)]
    deployment = two.state["objects"][DOOR]
    (writes,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert writes["image"] == IMAGE
    assert writes["envFrom"] == [{"configMapRef": {"name": name.partition("/")[2]}}], "another list makes other pods"
    assert any("rollout status deployment/cells-front-door" in " ".join(call["arguments"]) for call in two.calls)
    assert "All cells (mumbai, delhi) are at http://payment-service.payments-cells.svc.cluster.local:8082" in two.said
    assert two.said.count("The consoles of the other cells name") == 1


def test_every_manifest_of_the_front_door_of_cells_is_valid_and_meets_the_restricted_level(two: Deployed) -> None:
    own = of(two.state, "cells")
    for manifest in [*own.values(), two.state["objects"]["Namespace/payments-cells"]]:
        validate(manifest)
    meets_restricted("cells-front-door", own["Deployment/cells-front-door"]["spec"]["template"])
    assert own["PodDisruptionBudget/cells-front-door"]["spec"]["minAvailable"] == 1
    images = (KNATIVE / "base" / "kustomization.yaml").read_text()
    (pin,) = re.findall(r"name: envoy, newName: (\S+), newTag: (\S+)\}", images)
    (envoy,) = own["Deployment/cells-front-door"]["spec"]["template"]["spec"]["containers"]
    assert envoy["image"] == ":".join(pin), "the version that a cell's own has"


def test_the_first_installation_becomes_cell_0_by_a_name_and_is_then_not_deployed_without_it(second: Machine) -> None:
    before = second.state["objects"]
    succeeded(second.deploy(*TO_A_CLUSTER, "--cell", "pune=0"))
    after = second.state["objects"]
    (told,) = [m["data"] for key, m in after.items() if key.startswith("ConfigMap/payment-settings-")]
    assert (told["CELL"], told["CELL_NAME"], told["CELLS"]) == ("0", "pune", "pune=0")
    assert after["Service/payment-service"] == before["Service/payment-service"]
    assert after["Secret/payment-database"] == before["Secret/payment-database"]
    assert list_of_the_door(second.state) == address("pune", 0, "payments")
    for action in ([], ["--delete"]):
        done = second.deploy(*TO_A_CLUSTER, *action)
        assert done.returncode == 1
        assert "the namespace payments is the cell pune: say --cell pune" in done.stderr
    assert second.state["objects"] == after


def test_among_cells_nothing_is_deployed_and_nothing_removed_without_a_name(with_two: Machine) -> None:
    before = with_two.state
    for asked in ([], ["--delete"]):
        done = with_two.deploy(*TO_A_CLUSTER, *asked)
        assert done.returncode == 1
        assert "this cluster's services are cells: say --cell NAME, of mumbai, delhi" in done.stderr
    assert with_two.state["objects"] == before["objects"]


def test_a_cell_that_is_removed_leaves_the_list_and_the_others_as_they_are(with_two: Machine) -> None:
    others = of(with_two.state, "mumbai")
    succeeded(with_two.deploy("--context", "there", "--cell", "delhi", "--delete"))
    assert list_of_the_door(with_two.state) == address("mumbai", 1)
    assert of(with_two.state, "delhi").keys() == {
        "Secret/payment-database",
        "PersistentVolumeClaim/data-payment-postgres-0",
    }
    # Its database still has its number.
    done = with_two.deploy(*TO_A_CLUSTER, "--cell", "goa=2")
    assert "the namespace payments-delhi is the cell delhi=2" in done.stderr
    assert of(with_two.state, "mumbai") == others
    succeeded(with_two.deploy("--context", "there", "--cell", "mumbai", "--delete", "--delete-data"))
    assert with_two.state["objects"].keys() == {
        "Namespace/payments-delhi",
        "payments-delhi:Secret/payment-database",
        "payments-delhi:PersistentVolumeClaim/data-payment-postgres-0",
    }, "the front door of cells goes with the last"


def test_all_cells_are_deployed_one_after_another_up_to_the_first_that_fails(with_two: Machine) -> None:
    loaded = with_two.folder / "loaded"
    asked = (*TO_A_CLUSTER, "--load-command", f"echo >>'{loaded}'", "--cells", "all")
    before = {cell: of(with_two.state, cell) for cell in ("delhi", "cells")}
    with_two.set(broken=["payments-mumbai:statefulset"])
    done = with_two.deploy(*asked)
    assert done.returncode == 1
    assert "done: none" in done.stdout
    assert "failed: mumbai; not begun: delhi" in done.stderr
    assert not with_two.said("--namespace payments-delhi"), "nothing of what comes after"
    with_two.set(broken=[])
    said = succeeded(with_two.deploy(*asked))
    assert "done: mumbai delhi" in said
    assert loaded.read_text().count(IMAGE) == 2, "once for all, in each of the two runs"
    # What is as it should be stays as it is: that one, and their front door.
    assert said.partition("--- delhi")[2].count("nothing to change") == 4
    assert {cell: of(with_two.state, cell) for cell in ("delhi", "cells")} == before
    assert settings(with_two.state, "mumbai")["CELLS"] == "mumbai=1,delhi=2", "its console names the new one"


def example_of_the_docs(folder: Path) -> Path:
    """The overlay of a cell that docs/cells.md shows, on top of the one that docs/production.md shows."""
    page = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(# knative/cells/delhi.*?)```", page, re.S)
    for name, below, overlay in (
        ("ours", KNATIVE / "overlays" / "production", own_overlay()),
        ("delhi", folder / "ours", yaml.safe_load(text)),
    ):
        (folder / name).mkdir()
        overlay["resources"] = [os.path.relpath(below, folder / name)]
        (folder / name / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    return folder / "delhi"


def test_what_is_watched_of_all_cells_is_beside_their_front_door_and_a_cell_has_only_its_own(
    tmp_path: Path, kustomize: str, built_text: Callable[[str], str]
) -> None:
    cluster = f"""
      kubectl() {{ if [ "$1" = kustomize ]; then {kustomize} build "$2"; else echo monitoring.coreos.com/v1; fi; }}
      list_the_cells_that_serve() {{ echo 1 mumbai payments-mumbai; }}; context=there"""
    overlay = example_of_the_docs(tmp_path)
    program = f"""{cluster}; overlay={overlay} cell_name=delhi cell_number=2 namespace=payments-delhi
      render_the_overlay_of_the_cell; mv {tmp_path}/rendered.yaml {tmp_path}/cell.yaml
      list_the_cells_that_serve >{tmp_path}/serving; write_the_overlay_of_the_front_door_of_cells
      overlay={tmp_path}/door render_the_overlay"""
    in_the_shell(tmp_path, program)
    cell, door = ((tmp_path / name).read_text() for name in ("cell.yaml", "rendered.yaml"))
    for what in ("kind: PrometheusRule", "name: payment-dashboard"):
        assert what in built_text("overlays/production")
        assert what not in cell
        assert what in door
    assert "kind: ServiceMonitor" in cell
    for what in ("CURRENCY: USD", "TIME_ZONE: America/New_York", 'CELL: "2"', "CELLS: mumbai=1,delhi=2"):
        assert f"  {what}\n" in cell
    assert "payments/authentication: required" in cell, "as the overlay below says"
    for manifest in yaml.load_all(door, yaml.CSafeLoader):
        validate(manifest)
        assert manifest["metadata"].get("namespace", "payments-cells") == "payments-cells"


def test_the_figures_of_number_0_bear_its_name(tmp_path: Path, built_text: Callable[[str], str]) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(built_text("base+monitoring"))
    in_the_shell(tmp_path, "cell_name=pune; name_the_cell_in_figures")
    text = rendered.read_text()
    assert "payments-(.+)" not in text
    assert len(re.findall(r"regex: payments\n +replacement: pune\n", text)) == 4


@pytest.mark.parametrize(
    "asked", [("--cells", "some"), ("--cells", "all", "--delete"), ("--cells", "all", "--cell", "x")]
)
def test_all_cells_are_deployed_and_never_removed_together(machine: Machine, asked: tuple[str, ...]) -> None:
    done = machine.deploy(*TO_A_CLUSTER, *asked)
    assert done.returncode == 1
    assert "--cells wants all" in done.stderr
    assert not machine.calls
