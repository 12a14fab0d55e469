"""The bridge beside the real Igor: values, health, its interval action, the example's rules, restarts, and people who go."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from household import Household, Part, ask, free_port, until

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path(os.environ["INTEROP_HOME"]) / "igor" / "bin"


def said(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Igor:
    def __init__(self, folder):
        self.folder, self.port = folder / ".igor", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = Part([str(PROGRAMS / "igorServer"), "-d", str(self.folder), "-p", str(self.port), "--nossl",
                            "--nologfile"], folder / "igor.log")
        subprocess.check_call([str(PROGRAMS / "igorSetup"), "-d", str(self.folder), "initialize"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, path, method="GET", body=None, kind="text/plain", accept="application/json"):
        login = base64.b64encode(b"admin:").decode()
        headers = {"Authorization": f"Basic {login}", "Accept": accept, "Content-Type": kind}
        request = urllib.request.Request(self.url + path, body and body.encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code
        try:
            return json.loads(text)
        except ValueError:
            return text

    def at(self, path):
        """What stands in an element; None where there is none."""
        answer = self.ask(f"/data/{path}")
        return answer[path.rsplit("/", 1)[-1]] if isinstance(answer, dict) else None

    def start(self):
        self.server.start()
        until("Igor answers", lambda: self.ask("/data/sensors") and True)

    def stop(self):
        """As its administrator does: SIGTERM would hang it."""
        if self.server.process and self.server.process.poll() is None:
            self.ask("/internal/stop")
            try:
                self.server.process.wait(20)
            except subprocess.TimeoutExpired:
                self.server.process.kill()
                self.server.process.wait()

    def install(self, guide):
        """By the commands of the guide."""
        home = {**os.environ, "HOME": str(self.folder.parent)}
        commands = re.findall(r"^ *\$ ((?:cp|sed|curl) .*)$", guide.read_text(), re.M)
        for command in commands:
            command = command.replace("127.0.0.1:9333", f"127.0.0.1:{self.port}").replace("-u admin ", "-s -u admin: ")
            answer = subprocess.check_output(command, shell=True, cwd=guide.parent, env=home, text=True)
        assert len(commands) == 3 and answer.strip() == "OK", answer


def same(ours, theirs):
    """Igor keeps text: numbers come back as numbers, what is empty as an empty object. A name cannot begin with a digit."""
    if isinstance(ours, dict):
        ours = {re.sub(r"^(?=[^A-Za-z_])", "_", re.sub(r"[^\w.-]", "-", key)): value for key, value in ours.items()}
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(
            same(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list):
        return len(ours) != 1 and isinstance(theirs, list) and all(map(same, ours, theirs)) or same(ours[0], theirs)
    if ours is None or ours is False or ours == "":
        return theirs in ({}, None, "")
    return str(ours) == str(theirs) or isinstance(ours, (int, float)) and float(ours) == float(theirs)


def differences(house, igor):
    retained = house.retained()
    found = []
    for user in ("anna", "ben"):
        told, shown = json.loads(retained.get(f"sensors/fitbit/{user}", "{}")), igor.at(f"sensors/fitbit/{user}") or {}
        if len(told) < 20:
            found.append(f"only {len(told)} values of {user}")
        found += [f"{user}: {key} is {shown.get(key)}, not {value}" for key, value in told.items()
                  if not same(value, shown.get(key))]
        found += [f"{user}: {key} is left over" for key in shown.keys() - told.keys()]
        if (igor.at(f"status/sensors/fitbit/{user}") or {}).get("alive") is not True:
            found.append(f"{user} is not alive")
    return found


def weigh_in(house, kilograms):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
    house.change(0, {"weighIn": {"at": at, "kilograms": kilograms, "fat": None}})
    house.fetch("anna", "body")


def weight(igor):
    return ((igor.at("sensors/fitbit/anna") or {}).get("body-weight") or {}).get("value")


def interval_action(house, igor):
    setup = house.folder / "setup"
    shutil.copytree(ROOT / "setup/igor", setup)
    fragment = setup / "fitbit2mqtt/database-fragment.xml"
    text = fragment.read_text().replace("127.0.0.1:9335", f"127.0.0.1:{house.bridge_port}")
    fragment.write_text(text.replace("yournamehere", "anna"))
    before = len(house.requests())
    igor.install(setup / "README.md")
    until("Igor's interval action causes a fetch", lambda: len(house.requests()) > before)
    until("and what came of it is well", lambda: differences(house, igor))
    said("Igor's interval action calls the entry point")


def rules(house, igor):
    igor.install(ROOT / "examples/igor/README.md")
    weigh_in(house, 74.25)
    until("the weight is copied", lambda: igor.at("people/anna/weight") == 74.25)
    told = json.loads(house.retained()["sensors/fitbit/anna"])
    until("the end of the night is copied", lambda: igor.at("people/anna/wokeUp") == told["sleep-end"]["value"])
    until("the light is on", lambda: igor.at("environment/bedroom/light") == "on")
    igor.ask("/data/environment/bedroom/light", "PUT", "off")
    weigh_in(house, 74.5)
    until("the next weight is copied", lambda: igor.at("people/anna/weight") == 74.5)
    for _ in range(2):
        # All that a put gives rise to, and all that gives rise to.
        igor.ask("/internal/flush")
    assert igor.at("environment/bedroom/light") == "off", "a new weight wakes nobody"
    said("the example's rules work")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fitbit2mqtt-interop-"))
    print(f"logs are in {folder}", flush=True)
    house, igor = Household(sys.argv[1], folder), Igor(folder)
    try:
        house.configure("device")
        with house.configuration.open("a") as configuration:
            configuration.write(f'[igor]\nurl = "{igor.url}"\nusername = "admin"\n')
        house.move_in()
        igor.start()
        house.start_bridge()
        house.consent("anna", 0)
        house.consent("ben", 1)
        until("Igor has what the broker has", lambda: differences(house, igor), 180)
        xml = igor.ask("/data/sensors/fitbit", accept="application/xml")
        assert "<body-weight><value>" in xml and "<_e" not in xml, re.findall("<_e[^>]*>", xml)
        said("a fresh Igor has every value of two people, each under a name of its own, and their health")

        interval_action(house, igor)
        rules(house, igor)

        igor.stop()
        weigh_in(house, 75.25)
        igor.start()
        until("Igor has caught up", lambda: weight(igor) == 75.25)
        house.bridge.stop()
        house.start_bridge()
        weigh_in(house, 75.5)
        until("Igor is told after the bridge's restart", lambda: weight(igor) == 75.5)
        until("everything is as the broker has it", lambda: differences(house, igor))
        said("restarts lose nothing")

        forget = [house.program, "--config", str(house.configuration), "forget", "ben"]
        subprocess.check_call(forget, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The running bridge notices within a minute.
        until("ben is gone", lambda: igor.at("sensors/fitbit/ben") is None and igor.at("status/sensors/fitbit/ben") is None, 120)
        assert igor.at("sensors/fitbit/anna"), "and nobody else"
        said("whoever is forgotten leaves nothing behind")
        log = (folder / "bridge.log").read_text()
        assert "igor" not in log.lower() or "cannot be reached" in log, log
    finally:
        igor.stop()
        house.stop()
    subprocess.call(["rm", "-rf", str(folder)])


main()
