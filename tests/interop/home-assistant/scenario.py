"""The bridge beside the real Home Assistant: entities as announced, restarts in every order, buttons, events, examples,
both forms, and people and metrics that go."""

import datetime
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time

from household import EXAMPLES, Household, ask, until

UNITS = {("lb", "kg"): 0.45359237, ("mi", "km"): 1.609344, ("ft", "m"): 0.3048, ("in", "cm"): 2.54,
         ("fl. oz.", "mL"): 29.5735295625, ("in", "mm"): 25.4, ("fl. oz.", "L"): 0.0295735295625}


def said(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def components(retained):
    """Every announced component with what it inherits, by its entity's name."""
    found = {}
    for topic, payload in retained.items():
        if not topic.startswith("homeassistant/"):
            continue
        payload = json.loads(payload)
        shared = {key: value for key, value in payload.items() if key != "components"}
        platform = topic.split("/")[1]
        for component in payload.get("components", {"": payload}).values():
            whole = {"platform": platform, **shared, **component}
            found[whole["default_entity_id"]] = whole
    return found


def expected_state(component, retained):
    """What the entity shall show, worked out from the topic without Home Assistant's templates."""
    if component["platform"] in ("button", "event"):
        return None
    payload = retained.get(component["state_topic"], "")
    template = component.get("value_template")
    if template:
        field = re.search(r"value_json(?:\.(\w+)|\['([\w-]+)'\])", template)
        value = json.loads(payload or "{}").get(field.group(1) or field.group(2))
        if component["platform"] == "binary_sensor":
            return "off" if value in ("ok", "retrying") else "on"
        if component["platform"] == "switch":
            return "off" if value else "on"
        return "unknown" if value is None else str(value)
    if component["platform"] == "binary_sensor":
        return "on" if payload == component["payload_on"] else "off"
    return payload


def same(expected, shown, component, attributes):
    if expected is None or expected == shown:
        return True
    if component.get("device_class") == "timestamp":
        moment = datetime.datetime.fromisoformat
        return shown not in ("unknown", "unavailable") and moment(expected) == moment(shown)
    try:
        expected, shown = float(expected), float(shown)
    except ValueError:
        return False
    ours, theirs = component.get("unit_of_measurement"), attributes.get("unit_of_measurement")
    if ours != theirs:
        expected = (expected - 32) / 1.8 if (ours, theirs) == ("°F", "°C") else expected * UNITS[ours, theirs]
    return abs(expected - shown) <= 0.01 + abs(expected) * 1e-3


def wrong(house):
    """What Home Assistant shows otherwise than announced."""
    retained = house.retained()
    announced, states, found = components(retained), house.states(), []
    if len(announced) < 150 and house.people == 2:
        found.append(f"only {len(announced)} entities are announced")
    registered = house.registered()
    shown = {entity for entity, component in announced.items() if component.get("enabled_by_default") is not False}
    found += [f"{entity} is not registered" for entity in shown - registered]
    found += [f"{entity} is left over" for entity in registered - announced.keys()]
    for entity, component in announced.items():
        if component.get("enabled_by_default") is False:
            continue
        state = states.get(entity)
        if state is None:
            found.append(f"{entity} has no state")
            continue
        shown, attributes = state["state"], state["attributes"]
        expected = expected_state(component, retained)
        if shown == "unavailable" or not same(expected, shown, component, attributes):
            found.append(f"{entity} shows {shown} {attributes.get('unit_of_measurement')}, not {expected} "
                         f"{component.get('unit_of_measurement')}")
        for key in ("device_class", "state_class", "icon"):
            if component.get(key) != attributes.get(key):
                found.append(f"{entity}: {key} is {attributes.get(key)}, not {component.get(key)}")
        if bool(component.get("unit_of_measurement")) != bool(attributes.get("unit_of_measurement")):
            found.append(f"{entity}: unit {attributes.get('unit_of_measurement')}")
        if not attributes["friendly_name"].endswith(component["name"]):
            found.append(f"{entity} is called {attributes['friendly_name']}")
        metric = re.search(r"value_json\.get\('([\w-]+)'", component.get("json_attributes_template", ""))
        if metric:
            beside = json.loads(retained.get(component["json_attributes_topic"], "{}")).get(metric.group(1), {"": "missing"})
            if any(attributes.get(key) != value for key, value in beside.items() if key != "name"):
                found.append(f"{entity}: attributes {attributes}, not {beside}")
    return found


def check(house, what, seconds=180):
    until(what, lambda: wrong(house), seconds)
    complaints = house.complaints()
    assert not complaints, "\n".join([f"{what}, but Home Assistant complains:", *complaints[:20]])
    said(what)


def restarts(house):
    def broker():
        house.broker.stop()
        house.start_broker()

    def bridge():
        house.bridge.stop()
        house.start_bridge()

    steps = {"Home Assistant": house.restart_home_assistant, "the broker": broker, "the bridge": bridge}
    for order in itertools.permutations(steps):
        for name in order:
            steps[name]()
        check(house, "everything lives after a restart of " + ", ".join(order))


def moment_of(house, entity):
    return house.states()[entity]["state"]


def events_and_examples(house):
    before = moment_of(house, "event.fitbit_anna_weighed_in")
    house.ha("POST", "/api/services/input_boolean/turn_on", {"entity_id": "input_boolean.bathroom_light"})
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    house.change(0, {"weighIn": {"at": at, "kilograms": 71.5, "fat": 20.0}})
    # Leaving the bathroom makes the bridge ask.
    house.ha("POST", "/api/services/input_boolean/turn_off", {"entity_id": "input_boolean.bathroom_light"})
    until("the weigh-in is told", lambda: moment_of(house, "event.fitbit_anna_weighed_in") != before)
    attributes = house.states()["event.fitbit_anna_weighed_in"]["attributes"]
    assert (attributes["event_type"], attributes["value"], attributes["unit"]) == ("weighed-in", 71.5, "kg"), attributes
    until("the weight is shown", lambda: house.states()["sensor.fitbit_anna_body_weight"]["state"] == "71.5")
    told = "automation.tell_anna_what_she_weighs"
    until("the automation ran", lambda: house.states()[told]["attributes"].get("last_triggered"))
    assert house.states()["sensor.fitbit_anna_days_since_weigh_in"]["state"] == "0"

    night = json.dumps({"event_type": "woke-up", "dateTime": at})
    subprocess.check_call(["mosquitto_pub", "-p", str(house.broker_port), "-t", "fitbit2mqtt/user/anna/event", "-m", night])
    until("the light is on", lambda: house.states()["input_boolean.bedroom_light"]["state"] == "on")

    house.ha("POST", "/api/services/input_boolean/turn_off", {"entity_id": "input_boolean.bedroom_light"})
    ran = house.states()[told]["attributes"]["last_triggered"]
    last = moment_of(house, "event.fitbit_anna_weighed_in")
    house.restart_home_assistant()
    check(house, "entities are alive after the events and a restart")
    assert moment_of(house, "event.fitbit_anna_weighed_in") == last, "an event is remembered and not told again"
    assert house.states()[told]["attributes"]["last_triggered"] == ran, "the automation did not run again"
    assert house.states()["input_boolean.bedroom_light"]["state"] == "off"

    text = "".join(example.read_text() for example in EXAMPLES.glob("*.yaml"))
    named = set(re.findall(r"\b(?:sensor|binary_sensor|event|button|switch)\.fitbit_\w*[a-z]\b", text))
    missing = named - house.states().keys()
    assert len(named) > 25 and not missing, f"the examples name what is not there: {missing}"
    automations = [state for name, state in house.states().items() if name.startswith("automation.")]
    assert len(automations) == 6 and all(state["state"] == "on" for state in automations), automations
    said("events and examples work")


def commands(house):
    before = len(house.requests())
    house.ha("POST", "/api/services/button/press", {"entity_id": "button.fitbit_anna_fetch"})
    until("a button press causes a fetch", lambda: len(house.requests()) > before)
    for service, shown in (("turn_off", "off"), ("turn_on", "on")):
        house.ha("POST", f"/api/services/switch/{service}", {"entity_id": "switch.fitbit_anna_automatic"})
        until("the switch says so", lambda: house.states()["switch.fitbit_anna_automatic"]["state"] == shown)
    said("buttons and the switch work")


def forms(house):
    """Entities outlive a change of the form: Home Assistant keeps what it knows of them."""
    def known():
        names = sorted(house.registered())
        return {name: house.template("{{ device_id('" + name + "') }}") for name in names}

    before = known()
    for form in ("component", "device"):
        house.bridge.stop()
        house.configure(form)
        house.start_bridge()
        until(f"everything is announced as {form}", lambda: all(
            ("/device/" in topic) == (form == "device") for topic in house.retained() if topic.startswith("homeassistant/")))
        until(f"entities as before as {form}", lambda: wrong(house), 180)
        assert known() == before
        complaints = house.complaints()
        assert not complaints, complaints
        house.ha_log.write_text("")
        said(f"entities outlive the change to the form {form}")


def goings(house):
    path = house.folder / "data/identities/anna/plugindata/fitbit.toml"
    text = path.read_text()
    path.write_text('metrics = ["body-weight", "steps"]\n' + text)
    house.fetch("anna", "get_devices")
    until("what anna does not publish is gone", lambda: "sensor.fitbit_anna_hrv" not in house.registered())
    house.people = 1
    check(house, "entities are those that are announced")
    path.write_text(path.read_text().replace('metrics = ["body-weight", "steps"]\n', ""))
    house.fetch("anna", "get_devices")
    until("and back", lambda: "sensor.fitbit_anna_hrv" in house.registered())
    check(house, "entities are back")

    assert house.template("{{ device_id('Fitbit ben') }}") != "None"
    forget = [house.program, "--config", str(house.configuration), "forget", "ben"]
    subprocess.check_call(forget, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ben = lambda: [name for name in house.registered() if "_ben" in name]
    until("ben's entities are gone", ben)
    until("ben's device is gone", lambda: house.template("{{ device_id('Fitbit ben') }}") == "None")
    # The running bridge notices within a minute.
    left = lambda: [topic for topic, payload in house.retained().items() if "/ben" in topic or "Fitbit ben" in payload]
    until("nothing of ben is left at the broker", left, 120)
    check(house, "whoever is forgotten leaves nothing behind")

    # And what goes while the bridge is off.
    house.bridge.stop()
    subprocess.check_call(["rm", "-r", str(house.folder / "data/identities/anna")])
    house.start_bridge()
    until("anna is gone, too", lambda: [name for name in house.registered() if "_anna" in name])
    said("whoever goes while the bridge is off leaves nothing behind")


def main():
    folder = tempfile.mkdtemp(prefix="fitbit2mqtt-interop-")
    house = Household(sys.argv[1], folder)
    house.people = 2
    print(f"logs are in {folder}", flush=True)
    try:
        house.configure("device")
        house.move_in({"anna": "nl_NL", "ben": "en_US"})
        house.start_bridge()
        said(f"Home Assistant {house.set_up_home_assistant()} has started")
        # Automations complain of entities that nobody has announced yet.
        house.ha_log.write_text("")
        house.consent("anna", 0)
        house.consent("ben", 1)
        check(house, "every entity is there with the state, unit and classes that were announced")
        sizes = [len(payload) for topic, payload in house.retained().items() if topic.startswith("homeassistant/")]
        said(f"{len(components(house.retained()))} entities; the largest message has {max(sizes)} bytes")
        commands(house)
        events_and_examples(house)
        restarts(house)
        forms(house)
        goings(house)
        complaints = house.complaints()
        assert not complaints, complaints
    finally:
        house.stop()
        subprocess.call(["rm", "-rf", str(house.ha_folder)])
    subprocess.call(["rm", "-rf", folder])


main()
