"""What the scenarios in this folder share: one mesh, checks, and the end of it all."""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from mesh.mesh import Mesh
from mesh.run import clean_up
from mesh.say import Checks


class Scenario:
    clusters = []
    mesh_type = Mesh

    def __init__(self, mesh):
        self.mesh, self.checks = mesh, Checks()

    def reaches(self, source, destination, port, family=4, timeout=5):
        answer = self.mesh.host(source).tell("connect", protocol="tcp", ip=self.mesh.host(destination).ip(family),
                                             port=port, timeout=timeout)
        return answer["result"] in ("open", "refused")

    def expect(self, source, destination, port, want):
        for family in (4, 6):
            got = self.reaches(source, destination, port, family, 5 if want else 0.7)
            self.checks.expect(got == want, f"IPv{family} {source} -> {destination}:{port} is "
                                            f"{'open' if want else 'closed'}")


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--build", type=Path, required=True, help="the build folder")
    parser.add_argument("--keep", action="store_true", help="leave it running if a check fails")
    return parser


def run(scenario, options, folder):
    """Makes the scenario's mesh in `folder` and runs it; the exit status."""
    if os.geteuid() != 0:
        print("SKIP: needs root: it makes network namespaces and loads kernel programs")
        return 77
    name = scenario.__name__.lower()
    folder = Path(tempfile.gettempdir()) / folder  # one place, so that a killed run is found and removed
    clean_up(folder)
    shutil.rmtree(folder, ignore_errors=True)
    test = scenario(scenario.mesh_type(folder, name=f"tv{name[0]}", build=options.build, clusters=scenario.clusters))
    try:
        test.run()
    except Exception as error:  # what is left to do cannot be judged; the logs say more
        test.checks.expect(False, f"{type(error).__name__}: {error}")
    if test.checks.failed:
        test.mesh.show_logs()
    if not (options.keep and test.checks.failed):
        test.mesh.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{test.checks.passed} passed, {len(test.checks.failed)} failed")
    return 1 if test.checks.failed else 0


def main(scenario, doc):
    return run(scenario, arguments(doc).parse_args(), f"trivium-netns-{scenario.__name__.lower()}")
