"""The bridge beside the real Node-RED with the example's flow: values, a light, a reminder, a button."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from household import Household, Part, ask, free_port, until

ROOT = pathlib.Path(__file__).resolve().parents[3]
NODE_RED = pathlib.Path(os.environ["INTEROP_HOME"]) / "node-red/node_modules/node-red/red.js"


def said(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class NodeRed:
    def __init__(self, folder, broker_port):
        self.folder, self.port = folder / "node-red", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder.mkdir()
        flow = json.loads((ROOT / "examples/node-red/flow.json").read_text())
        for node in flow:
            if node["type"] == "mqtt-broker":
                node.update(broker="127.0.0.1", port=str(broker_port))
        (self.folder / "flows.json").write_text(json.dumps(flow))
        settings = {"flowFile": str(self.folder / "flows.json"), "userDir": str(self.folder), "uiHost": "127.0.0.1",
                    "uiPort": self.port, "httpAdminRoot": "/admin", "telemetry": {"enabled": False},
                    "externalModules": {"palette": {"allowInstall": False}}}
        (self.folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n")
        self.part = Part(["node", str(NODE_RED), "-s", str(self.folder / "settings.js"), "-u", str(self.folder)],
                         folder / "node-red.log")

    def start(self):
        self.part.log.touch()
        started = lambda: self.part.log.read_text().count("Connected to broker")
        before = started()
        self.part.start()
        until("the flow runs", lambda: started() > before)

    def known(self, user):
        try:
            return ask("GET", f"{self.url}/fitbit/{user}")
        except urllib.error.HTTPError:
            return {}

    def press(self, button):
        ask("POST", f"{self.url}/admin/inject/{button}", {})


class Watch:
    """Everything that is said under some topics from now on."""

    def __init__(self, house, *topics):
        filters = [word for topic in (*topics, "test/watching") for word in ("-t", topic)]
        command = ["mosquitto_sub", "-p", str(house.broker_port), "-q", "1", "-F", "%j", *filters]
        self.house, self.seen = house, []
        self.log = open(house.folder / "watch.jsonl", "w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.DEVNULL)
        until("somebody watches", lambda: house_says(house, "test/watching", "yes") or "test/watching" in self.topics())

    def messages(self):
        lines = (self.house.folder / "watch.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def topics(self):
        return {message["topic"] for message in self.messages()}

    def said(self, topic):
        return [message["payload"] for message in self.messages() if message["topic"] == topic]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def house_says(house, topic, payload, *more):
    subprocess.check_call(["mosquitto_pub", "-p", str(house.broker_port), "-q", "1", "-t", topic, "-m", payload, *more])


def differences(house, flow):
    retained = house.retained()
    found = []
    for user in ("anna", "ben"):
        told = json.loads(retained.get(f"sensors/fitbit/{user}", "{}"))
        shown = flow.known(user)
        if len(told) < 20:
            found.append(f"only {len(told)} values of {user}")
        found += [f"{user}: {key} is {shown.get(key)!r}, not {value['value']!r}" for key, value in told.items()
                  if shown.get(key) != value["value"]]
        found += [f"{user}: {key} is left over" for key in shown.keys() - told.keys()]
    return found


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fitbit2mqtt-interop-"))
    print(f"logs are in {folder}", flush=True)
    house = Household(sys.argv[1], folder)
    flow, watch = NodeRed(folder, house.broker_port), None
    try:
        house.configure("device")
        house.move_in()
        watch = Watch(house, "home/#", "fitbit2mqtt/user/+/result")
        house.start_bridge()
        house.consent("anna", 0)
        house.consent("ben", 1)
        flow.start()
        until("Node-RED has what the broker has", lambda: differences(house, flow), 180)
        said("every value of two people arrives as what it is")

        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
        house.change(0, {"weighIn": {"at": at, "kilograms": 71.5, "fat": None}})
        flow.press("fitbit2mqtt-button")
        until("the button causes a fetch", lambda: flow.known("anna").get("body-weight") == 71.5)
        until("which is answered", lambda: any('"node-red"' in json.dumps(json.loads(result))
                                               for result in watch.said("fitbit2mqtt/user/anna/result")))
        said("the button asks the bridge")

        assert watch.said("home/anna/light") == [], "so far nobody woke up"
        house_says(house, "fitbit2mqtt/user/anna/event", json.dumps({"event_type": "weighed-in", "value": 71.5}))
        house_says(house, "fitbit2mqtt/user/anna/event", json.dumps({"event_type": "woke-up", "dateTime": at}))
        until("the light is on", lambda: watch.said("home/anna/light") == ["ON"])
        # The bridge says no such thing of people who step on the scale, so it is put into its mouth.
        for days in (2, 3, 3, 3, 4):
            house_says(house, "fitbit2mqtt/user/carl/status", json.dumps({"alive": True, "days_since_weigh_in": days}))
        until("there is a reminder a day",
              lambda: watch.said("home/carl/reminder") == [f"The scale has not seen you for {days} days" for days in (3, 4)])
        assert not watch.said("home/carl/light")
        said("the light waits, and the reminder comes once a day")

        for part, again in ((house.broker, house.start_broker), (house.bridge, house.start_bridge), (flow.part, flow.start)):
            part.stop()
            again()
            until("everything is there after a restart", lambda: differences(house, flow), 180)
        assert watch.said("home/anna/light") == ["ON"], "a restart wakes nobody"
        said("restarts lose nothing and switch nothing")
    finally:
        if watch:
            watch.stop()
        flow.part.stop()
        house.stop()
    subprocess.call(["rm", "-rf", str(folder)])


main()
