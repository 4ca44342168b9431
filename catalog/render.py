# SPDX-License-Identifier: Unlicense
"""`catalog render`: draw the pictures of stubs, keep their digests in results.json, and find pictures that no longer belong to the code."""
import hashlib
import importlib
import json
import tempfile
from pathlib import Path

from filelock import FileLock

from catalog.record import current, write_atomically


def versions():
    import matplotlib
    import PIL
    return {"matplotlib": matplotlib.__version__, "pillow": PIL.__version__}


def draw(stub, folder):
    """Run the stub once with its default settings and draw everything into `folder` -> {name: SHA-256}."""
    result, config = stub.run(stub.Config()), stub.Config()
    importlib.import_module(f"visualize_{stub.name}").draw(config, result, folder / "viz")
    importlib.import_module(f"make_{stub.name}_gif").animate(config, result, folder / f"{stub.name}.gif")
    return digests(stub, folder)


def digests(stub, folder):
    paths = [*sorted((folder / "viz").glob("*.png")), *folder.glob(f"{stub.name}.gif")]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def render(stub):
    """Draw into the stub's folder and note digests, code and versions in its record."""
    files = draw(stub, stub.folder)
    with FileLock(stub.folder / ".results.lock"):
        record = stub.record() or current(stub)
        record["pictures"] = {"files": files, "source": stub.source_hash(pictures=True), **versions()}
        write_atomically(stub.folder / "results.json", json.dumps(record, indent=1) + "\n")


def altered(stub):
    """Pictures that are not the ones noted in the record, as lines for people."""
    noted = stub.record().get("pictures", {}).get("files", {})
    found = digests(stub, stub.folder)
    return [f"{stub.slug}/{name}: not the picture that was rendered" for name in sorted({**noted, **found}) if noted.get(name) != found.get(name)]


def check(stub, again=False):
    """altered(), and pictures that other code drew; `again` draws them anew elsewhere and compares, where the versions are the same."""
    lines, noted = altered(stub), stub.record().get("pictures")
    if not noted:
        return [f"{stub.slug}: pictures not rendered by python -m catalog render"]
    if noted["source"] != stub.source_hash(pictures=True):
        lines.append(f"{stub.slug}: pictures drawn by other code (python -m catalog render {stub.slug})")
    elif again:
        if {name: noted[name] for name in versions()} != versions():
            print(f"{stub.slug}: drawn with matplotlib {noted['matplotlib']} and pillow {noted['pillow']}, so not drawn again")
        else:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "viz").mkdir()
                fresh = draw(stub, Path(folder))
            lines += [f"{stub.slug}/{name}: drawn again, it is another picture" for name in noted["files"] if fresh.get(name) != noted["files"][name]]
    return lines
