"""A household for the scenarios: simulated cloud, mosquitto, the bridge and Home Assistant, each a process of its own that
can be stopped and started, in a temporary folder and on loopback. Standard library only."""

import html.parser
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

SUITE = os.environ.get("HOME_ASSISTANT_SUITE", "trixie")
TREE = pathlib.Path(os.environ["INTEROP_HOME"]) / "home-assistant" / SUITE
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "home-assistant"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, holds, seconds=90):
    """Waits until `holds()` is true, or a list of what is still wrong is empty, and gives it back."""
    end, answer = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            answer = holds()
        except OSError as error:
            answer = [str(error)]
        if answer is not None and (answer == [] if isinstance(answer, list) else answer):
            return answer
        time.sleep(0.3)
    raise SystemExit(f"not within {seconds} s: {what}: {answer}")


def ask(method, url, body=None, token=None, form=False):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if body is not None:
        data = urllib.parse.urlencode(body).encode() if form else json.dumps(body).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
        return json.loads(text) if text[:1] in ("{", "[") else text


class Part:
    """A program that is ended by its own process id."""

    def __init__(self, command, log):
        self.command, self.log, self.process = command, log, None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Form(html.parser.HTMLParser):
    """The one form of a page: where it goes, and its fields."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.people = None, [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "form":
            self.action = it["action"]
        elif tag == "input" and it.get("name"):
            self.fields.append((it["name"], it.get("value", "")))
        elif tag == "option":
            self.people.append(it["value"])


class Household:
    def __init__(self, program, folder):
        self.folder = pathlib.Path(folder)
        self.program = str(pathlib.Path(program).resolve())
        self.cloud_port, self.broker_port, self.bridge_port, self.ha_port = (free_port() for _ in range(4))
        self.cloud_url = f"http://127.0.0.1:{self.cloud_port}"
        self.bridge_url = f"http://127.0.0.1:{self.bridge_port}"
        self.ha_url = f"http://127.0.0.1:{self.ha_port}"
        self.configuration = self.folder / "fitbit2mqtt.toml"
        self.inside = pathlib.Path("/tmp") / self.folder.name
        self.ha_folder = TREE / "tmp" / self.folder.name
        conf = self.folder / "mosquitto.conf"
        # It keeps nothing: after a restart only the bridge knows what stood there.
        conf.write_text(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"
                        "max_queued_messages 10000\n")
        self.cloud = Part([self.program, "simulate", "--listen", f"127.0.0.1:{self.cloud_port}", "--people", "2"],
                          self.folder / "cloud.log")
        self.broker = Part(["mosquitto", "-c", str(conf)], self.folder / "mosquitto.log")
        self.bridge = Part([self.program, "--config", str(self.configuration), "run"], self.folder / "bridge.log")
        self.ha_log = self.folder / "home-assistant.log"
        environment = ["/usr/bin/env", "-i", "HOME=/tmp", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"]
        self.home_assistant = Part(["chroot", str(TREE), *environment, "/opt/ha/bin/hass", "-c", str(self.inside),
                                    "--skip-pip"], self.ha_log)
        self.token = None

    def stop(self):
        for part in (self.home_assistant, self.bridge, self.broker, self.cloud):
            part.stop()

    # ---- the bridge and the cloud -----------------------------------------------------------------------------------

    def configure(self, discovery):
        addresses = "".join(
            f'[upstream.{name}]\napi_url = "{self.cloud_url}/{name}"\nauthorize_url = "{self.cloud_url}/{name}{authorize}"\n'
            f'token_url = "{self.cloud_url}/{name}{token}"\nrevoke_url = "{self.cloud_url}/{name}{revoke}"\n'
            for name, authorize, token, revoke in (
                ("fitbit", "/oauth2/authorize", "/oauth2/token", "/oauth2/revoke"),
                ("google-health", "/o/oauth2/v2/auth", "/token", "/revoke")))
        self.configuration.write_text(
            f'data_dir = "{self.folder}/data"\nhttp.listen = "127.0.0.1:{self.bridge_port}"\n'
            f'mqtt.url = "mqtt://127.0.0.1:{self.broker_port}"\nhomeassistant.discovery = "{discovery}"\n'
            f'history.backfill_days = 0\n{addresses}')

    def move_in(self, systems=None):
        """Anna, whose devices are at Fitbit, and Ben, whose are at Google, with an application registered at each; cloud
        and broker run. `systems`: the unit system of each, where it is not the usual one."""
        for user, provider in (("anna", "fitbit"), ("ben", "google-health")):
            system = f'system = "{systems[user]}"\n' if systems else ""
            self.write(f"identities/{user}/plugindata/fitbit.toml", f'provider = "{provider}"\n{system}')
        self.write("plugindata/fitbit.toml",
                   '[fitbit]\nclient_id = "23SIMU"\nclient_secret = "simulated-client-secret-0123456789"\n'
                   '[google-health]\nclient_id = "simulated.apps.googleusercontent.com"\n'
                   'client_secret = "GOCSPX-simulated-client-secret"\n')
        self.cloud.start()
        self.start_broker()
        until("the cloud answers", lambda: ask("GET", f"{self.cloud_url}/"))

    def write(self, path, text):
        path = self.folder / "data" / path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)

    def start_bridge(self):
        self.bridge.start()
        until("the bridge answers", lambda: "ok" in ask("GET", f"{self.bridge_url}/healthz") or True)

    def consent(self, user, index):
        """What a person does in a browser."""
        page = ask("GET", f"{self.bridge_url}/plugin/fitbit/auth1?user={user}")
        form = Form(page)
        fields = [*form.fields, ("person", form.people[index]), ("decision", "allow")]
        # The action is a path of the cloud's.
        page = ask("POST", urllib.parse.urljoin(self.cloud_url, form.action), fields, form=True)
        assert f"{user} is connected" in page, re.sub(r"<[^>]*>", " ", page)

    def change(self, person, change):
        ask("POST", f"{self.cloud_url}/control/changes", {"person": person, "change": change})

    def requests(self):
        return ask("GET", f"{self.cloud_url}/control/requests")["requests"]

    def fetch(self, user, methods):
        return ask("GET", f"{self.bridge_url}/plugin/fitbit?user={user}&methods={methods}")

    # ---- the broker -------------------------------------------------------------------------------------------------

    def start_broker(self):
        self.broker.start()
        until("the broker listens", lambda: socket.create_connection(("127.0.0.1", self.broker_port)).close() or True)

    def retained(self):
        """Every retained topic: at QoS 0 nothing is overtaken, so mosquitto's own topic comes last."""
        last = "$SYS/broker/version"
        command = ["mosquitto_sub", "-p", str(self.broker_port), "-q", "0", "-F", "%j", "-t", "#", "-t", last]
        retained = {}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
            for line in reader.stdout:
                message = json.loads(line)
                if message["topic"] == last:
                    break
                retained[message["topic"]] = message.get("payload") or ""
            reader.terminate()
        return retained

    # ---- Home Assistant ---------------------------------------------------------------------------------------------

    def set_up_home_assistant(self):
        storage = self.ha_folder / ".storage"
        storage.mkdir(parents=True)
        (storage / "onboarding").write_text(json.dumps(
            {"version": 4, "minor_version": 1, "key": "onboarding",
             "data": {"done": ["core_config", "analytics", "integration"]}}))
        for example in EXAMPLES.glob("*.yaml"):
            (self.ha_folder / example.name).write_text(example.read_text())
        (self.ha_folder / "configuration.yaml").write_text(
            "homeassistant: {name: interop, latitude: 52.37, longitude: 4.89, elevation: 0, unit_system: metric,\n"
            "  currency: EUR, country: NL, time_zone: UTC, packages: {fitbit: !include package.yaml}}\n"
            f"http: {{server_host: 127.0.0.1, server_port: {self.ha_port}}}\napi:\n"
            "automation: !include automations.yaml\n"
            "lovelace: {mode: yaml, dashboards: {fitbit-anna: {mode: yaml, title: Anna, filename: dashboard.yaml}}}\n"
            "logger: {default: warning}\n")
        self.home_assistant.start()
        until("Home Assistant answers", lambda: isinstance(ask("GET", f"{self.ha_url}/api/onboarding"), list), 300)
        client = f"{self.ha_url}/"
        user = ask("POST", f"{self.ha_url}/api/onboarding/users",
                   {"client_id": client, "name": "T", "username": "t", "password": "t", "language": "en"})
        tokens = ask("POST", f"{self.ha_url}/auth/token",
                     {"grant_type": "authorization_code", "code": user["auth_code"], "client_id": client}, form=True)
        self.token, self.refresh = tokens["access_token"], tokens["refresh_token"]
        self.log_in()
        flows = "/api/config/config_entries/flow"
        flow = self.ha("POST", flows, {"handler": "mqtt", "show_advanced_options": True})
        for _ in range(4):
            if flow["type"] == "create_entry":
                break
            if flow["type"] == "menu":
                answers = {"next_step_id": "broker"}
            else:
                assert not flow.get("errors"), flow
                answers = {"broker": "127.0.0.1", "port": self.broker_port}
                for field in flow["data_schema"]:
                    if field.get("required") and field["name"] not in answers:
                        answers[field["name"]] = self.default(field)
            flow = self.ha("POST", f"{flows}/{flow['flow_id']}", answers)
        assert flow["type"] == "create_entry", flow
        return self.ha("GET", "/api/config")["version"]

    def default(self, field):
        if field.get("type") == "expandable":
            return {inner["name"]: self.default(inner) for inner in field.get("schema", []) if inner.get("required")}
        if "default" in field:
            return field["default"]
        select = field.get("selector", {}).get("select")
        if select:
            first = select["options"][0]
            return first["value"] if isinstance(first, dict) else first
        return False if "boolean" in field.get("selector", {}) else ""

    def log_in(self):
        answer = ask("POST", f"{self.ha_url}/auth/token",
                     {"grant_type": "refresh_token", "refresh_token": self.refresh, "client_id": f"{self.ha_url}/"},
                     form=True)
        self.token = answer["access_token"]

    def ha(self, method, path, body=None):
        return ask(method, self.ha_url + path, body, self.token)

    def template(self, template):
        return self.ha("POST", "/api/template", {"template": template})

    def states(self):
        return {state["entity_id"]: state for state in self.ha("GET", "/api/states")}

    def registered(self):
        """The MQTT integration's entities, but for those that nobody has asked to be shown."""
        return set(self.template("{{ integration_entities('mqtt') | to_json }}"))

    def restart_home_assistant(self):
        self.home_assistant.stop()
        self.home_assistant.start()
        until("Home Assistant answers again", lambda: self.log_in() or self.ha("GET", "/api/")["message"], 300)

    def complaints(self):
        """What Home Assistant's MQTT integration, templates or automations had to complain about."""
        found = []
        for line in self.ha_log.read_text(errors="replace").splitlines():
            if re.search(r" (WARNING|ERROR) ", line) and re.search(r"mqtt|template|automation|fitbit|lovelace", line):
                # A broker that is restarted is lost for a while. Of a device that goes, Home Assistant clears the topic
                # itself, once for each entity that was not shown, and then wonders what there is to clean up; so it
                # does at its own way back from the device form.
                if not re.search(r"No device components to cleanup|Disconnected from MQTT|The connection was lost|Failed to connect to MQTT|Error talking to MQTT", line):
                    found.append(line)
        return found
