"""Writes the manifests of every value set that the tests know, one file each, for tools that read manifests.

.venv/bin/python -m scripts.chart_manifests build/chart
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.helm.chart import NAMESPACE, VALUE_SETS, rendered, values_of


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for path in VALUE_SETS:
        manifests = rendered(values_of(path.stem))
        for manifest in manifests:
            manifest["metadata"]["namespace"] = NAMESPACE  # as `helm install --namespace` would
        (folder / path.name).write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    print(f"wrote {len(VALUE_SETS)} files into {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
